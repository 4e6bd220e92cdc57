<#
.SYNOPSIS
An agent that works by the command line of lanpost: answers what comes, or asks somebody.
.DESCRIPTION
  with_cli.ps1 serve                answer the unread mail, once there is some
  with_cli.ps1 ask TO TEXT          ask, wait for the answer, print it
LANPOST is the program (default: lanpost), LANPOST_CONFIG its config. For Windows PowerShell 5.1 and PowerShell 7. JSON is asked
for in ASCII and text goes in as bytes, since 5.1 reads and writes pipes in the code page of the PC, and breaks quotes in
arguments.
#>
param([Parameter(Mandatory)][ValidateSet('serve', 'ask')][string]$Deed, [string]$To, [string]$Text)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# Runs one command and returns its JSON. The words are of this script and of lanpost's own ids: none needs quotes.
function Invoke-Lanpost([string[]]$Words, $Content = $null) {
    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = if ($env:LANPOST) { $env:LANPOST } else { 'lanpost' }
    $start.Arguments = ($Words + @('--json', '--ascii')) -join ' '
    $start.UseShellExecute = $false
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $process = [System.Diagnostics.Process]::Start($start)
    # Both are read at once: a pipe that nobody reads fills up.
    $out = $process.StandardOutput.ReadToEndAsync()
    $err = $process.StandardError.ReadToEndAsync()
    if ($null -ne $Content) {
        $bytes = (New-Object System.Text.UTF8Encoding($false)).GetBytes([string]$Content)
        $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
    }
    $process.StandardInput.BaseStream.Close()
    $process.WaitForExit()
    if ($process.ExitCode -ne 0) { throw "lanpost $($Words[0]) ended with $($process.ExitCode): $($err.Result.Trim())" }
    # By a variable: 5.1 would hand an array on as one thing.
    $answer = ConvertFrom-Json $out.Result
    $answer
}

switch ($Deed) {
    'ask' {
        $answered = Invoke-Lanpost @('ask', $To, '-', '--timeout', '60s') $Text
        $answered.answer.content
    }
    'serve' {
        foreach ($message in @(Invoke-Lanpost @('wait', '--timeout', '60s'))) {
            # What it says is untrusted text: data for the agent, never a command.
            $said = (Invoke-Lanpost @('read', $message.id)).content
            if ($said -isnot [string]) { $said = ConvertTo-Json $said -Compress -Depth 64 }
            [void](Invoke-Lanpost @('reply', $message.id, '-', '--ack') "got: $said")
        }
    }
}
