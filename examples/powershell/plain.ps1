<#
.SYNOPSIS
Takes part without lanpost: the plain protocol on the shared folder (docs/format.md, section 8).
.DESCRIPTION
  plain.ps1 SHARE ME send TO TEXT       append one message to TO's open slot
  plain.ps1 SHARE ME receive CURSOR     print what came for ME since the last time, one JSON object a line
CURSOR is a file on a local disk that remembers how far was read. For Windows PowerShell 5.1 and PowerShell 7: files are written
with [IO.File] in UTF-8 without BOM, which `>>`, Out-File and Add-Content of 5.1 do not do.
#>
param(
    [Parameter(Mandatory)][string]$Share, [Parameter(Mandatory)][string]$Me,
    [Parameter(Mandatory)][ValidateSet('send', 'receive')][string]$Deed,
    [Parameter(Mandatory)][string]$Name, [string]$Text
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$utf8 = New-Object System.Text.UTF8Encoding($false)
function Get-Slot([string]$Of) { [IO.Path]::Combine($Share, 'messages', "to-$Of.jsonl") }

# One line, synced, under the lockfile. The folder must be there: an unmounted share has none.
function Send-Line([string]$Path, [string]$Line) {
    $lock = "$Path.lock"
    # A lockfile that stays for minutes has a dead holder: look who it was, and remove it by hand.
    for ($turn = 0; ; $turn++) {
        try { $held = [IO.File]::Open($lock, 'CreateNew', 'Write', 'Read'); break }
        catch [IO.IOException] {
            if (-not [IO.File]::Exists($lock) -or $turn -ge 1500) { throw }
            Start-Sleep -Milliseconds 200
        }
    }
    try {
        $held.Dispose()
        $file = New-Object IO.FileStream($Path, [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::ReadWrite, [IO.FileShare]::ReadWrite)
        try {
            $end = $file.Seek(0, 'End')
            if ($end -gt 0) {
                # Who was cut off before us left no newline.
                [void]$file.Seek(-1, 'End')
                if ($file.ReadByte() -ne 10) { $Line = "`n" + $Line }
            }
            $bytes = $utf8.GetBytes($Line + "`n")
            $file.Write($bytes, 0, $bytes.Length)
            $file.Flush($true)
        } finally { $file.Dispose() }
    } finally { [IO.File]::Delete($lock) }
}

switch ($Deed) {
    'send' {
        $message = [ordered]@{
            from = $Me; to = $Name; timestamp = [DateTimeOffset]::Now.ToString('yyyy-MM-ddTHH:mm:ss.fffzzz')
            type = 'message'; content = $Text; id = [guid]::NewGuid().ToString()
        }
        Send-Line (Get-Slot $Name) (ConvertTo-Json $message -Compress)
        $message.id
    }
    'receive' {
        $slot = Get-Slot $Me
        # An open slot of one's own says that one is there: senders find it.
        (New-Object IO.FileStream($slot, [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)).Dispose()
        $offset = [long]0
        if ([IO.File]::Exists($Name)) { $offset = [long][IO.File]::ReadAllText($Name) }
        $file = New-Object IO.FileStream($slot, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
        try {
            # A shorter file is another one: from its start. Its messages have ids, by which doubles are known.
            if ($file.Length -lt $offset) { $offset = 0 }
            [void]$file.Seek($offset, 'Begin')
            $bytes = New-Object byte[] ($file.Length - $offset)
            $have = 0
            while ($have -lt $bytes.Length) {
                $n = $file.Read($bytes, $have, $bytes.Length - $have)
                if ($n -eq 0) { break }
                $have += $n
            }
        } finally { $file.Dispose() }
        $from = 0
        while ($from -lt $have) {
            # A line without newline, or with NULs, is still being written: it waits.
            $to = [Array]::IndexOf($bytes, [byte]10, $from, $have - $from)
            if ($to -lt 0 -or [Array]::IndexOf($bytes, [byte]0, $from, $to - $from) -ge 0) { break }
            $line = $utf8.GetString($bytes, $from, $to - $from).Trim([char]0xFEFF, ' ', "`t", "`r")
            $from = $to + 1
            if ($line) {
                $fits = $false
                try { $message = ConvertFrom-Json $line; $fits = $null -ne $message.from -and $null -ne $message.content } catch { }
                if ($fits) { $line } else { [Console]::Error.WriteLine("set aside, no message: $line") }
            }
            # The cursor moves after a message was handled: a crash repeats one, and loses none.
            [IO.File]::WriteAllText($Name, [string]($offset + $from), $utf8)
        }
    }
}
