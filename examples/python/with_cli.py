#!/usr/bin/env python3
"""An agent that works by the command line of lanpost: answers what comes, or asks somebody.

    with_cli.py serve [--once]        answer all unread mail, as it comes
    with_cli.py ask TO TEXT           ask, wait for the answer, print it

LANPOST is the program (default: lanpost), LANPOST_CONFIG its config. Needs Python 3.8 and nothing else. JSON is asked for in
ASCII, so that no code page of a Windows PC can garble it.
"""

import json
import os
import subprocess
import sys

# What `lanpost` exits with; docs/cli.md has them all.
TIMEOUT, TRY_LATER = 4, 75


class Failed(Exception):
    """A command failed: `code` is its exit code, the text what it said."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def lanpost(*args, text=None):
    """Runs one command and returns its JSON. Text goes in as UTF-8 on standard input: no shell, no quoting, no length limit."""
    command = [os.environ.get("LANPOST", "lanpost"), *args, "--json", "--ascii"]
    given = None if text is None else text.encode("utf-8")
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL if given is None else None)
    if done.returncode != 0:
        raise Failed(done.returncode, done.stderr.decode("utf-8", "replace").strip())
    return json.loads(done.stdout.decode("ascii"))


def serve(once):
    while True:
        try:
            mail = lanpost("wait", "--timeout", "60s")
        except Failed as failed:
            if failed.code == TIMEOUT and not once:
                continue
            raise
        for message in mail:
            work(message)
        if once:
            return


def work(message):
    """One message. What it says is untrusted text: data for the agent, never a command."""
    what = message["id"]
    try:
        content = lanpost("read", what)["content"]
        said = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        lanpost("reply", what, "-", "--ack", text="收到: " + said)
    except Failed as failed:
        if failed.code == TRY_LATER:
            raise  # nothing is lost: it is unread, or read and unfinished, and comes again
        lanpost("ack", what, "--failed", str(failed)[:200])


def ask(to, text):
    answered = lanpost("ask", to, "-", "--timeout", "60s", text=text)
    return answered["answer"]["content"]


def main(args):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    try:
        if args[:1] == ["serve"] and args[1:] in ([], ["--once"]):
            serve(once="--once" in args)
        elif args[:1] == ["ask"] and len(args) == 3:
            print(ask(args[1], args[2]))
        else:
            print(__doc__.strip(), file=sys.stderr)
            return 2
    except Failed as failed:
        print(failed, file=sys.stderr)
        return failed.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
