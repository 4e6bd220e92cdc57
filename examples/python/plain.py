#!/usr/bin/env python3
"""Takes part without lanpost: the plain protocol on the shared folder (docs/format.md, section 8).

    plain.py SHARE ME send TO TEXT [--reply-to ID]    append one message to TO's open slot
    plain.py SHARE ME receive CURSOR [--follow]       print what came for ME since the last time, one JSON object a line

CURSOR is a file on a local disk that remembers how far was read; on the share nothing is changed by reading. Whoever has no
lanpost gets no receipts and sends none: answer with --reply-to, and whoever asked has the answer. Needs Python 3.8.
"""

import datetime
import json
import os
import sys
import time
import uuid

# A lockfile that stood still for so long has a dead holder; lanpost's own name says so after 60 s, this waits for anybody's.
STALE = 300.0
# Bytes before the cursor that show whether the file is still the one that was read.
KEPT = 32
# Ids that are remembered, so that a file which was replaced delivers nothing twice.
KNOWN = 10_000


def slot_of(share, name):
    return os.path.join(share, "messages", "to-" + name + ".jsonl")


def send(share, me, to, text, reply_to=None):
    """Appends one line, synced, under the lockfile; returns its id. The folder must be there: an unmounted share has none."""
    message = {
        "from": me,
        "to": to,
        "timestamp": datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "type": "message",
        "content": text,
        "id": str(uuid.uuid4()),
    }
    if reply_to:
        message["in_reply_to"] = reply_to
    line = json.dumps(message, ensure_ascii=False).encode("utf-8") + b"\n"
    path = slot_of(share, to)
    take_lock(path + ".lock")
    try:
        append(path, line)
    finally:
        os.remove(path + ".lock")
    return message["id"]


def append(path, line):
    for _ in range(3):
        with open(path, "ab+", buffering=0) as slot:
            end = slot.seek(0, os.SEEK_END)
            torn = False
            if end:
                slot.seek(end - 1)
                torn = slot.read(1) != b"\n"
            # One write: a line is never split. Who was cut off before us left no newline.
            data = b"\n" + line if torn else line
            if slot.write(data) != len(data):
                raise OSError("the share took only a part of the line; it may be full")
            os.fsync(slot.fileno())
        with open(path, "rb") as slot:
            slot.seek(end)
            if line in slot.read():
                return
        # Somebody appended without the lockfile, over our line.
    raise OSError("somebody else writes over " + path)


def take_lock(path):
    seen, since = None, time.monotonic()
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(handle, b"0 plain.py %d\n" % os.getpid())
            os.close(handle)
            return
        except FileExistsError:
            pass
        try:
            found = os.stat(path)
            now = (found.st_size, found.st_mtime_ns)
        except FileNotFoundError:
            continue
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > STALE:
            os.remove(path)
            time.sleep(2)  # whoever removes one never takes it in the same breath
            continue
        time.sleep(0.2)


class Cursor:
    """How far was read. It moves after a message was handled, so that a crash repeats one, and loses none."""

    def __init__(self, path):
        self.path = path
        self.state = {"offset": 0, "before": "", "known": []}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.state = json.load(file)
        self.known = set(self.state["known"])

    def save(self):
        aside = self.path + ".new"
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self.path)


def receive(share, me, cursor, handle):
    """Hands each new message to `handle`; a line that has no newline yet, or holds NULs, is still being written, and waits."""
    try:
        slot = open(slot_of(share, me), "rb")
    except FileNotFoundError:
        if not os.path.isdir(os.path.join(share, "messages")):
            raise OSError("there are no mailboxes in " + share + ": is the share mounted?")
        return
    state = cursor.state
    with slot:
        before = bytes.fromhex(state["before"])
        slot.seek(state["offset"] - len(before))
        if slot.read(len(before)) != before:
            # Another file by that name, or a shorter one: from its start. Known ids are dropped.
            state["offset"], before = 0, b""
            slot.seek(0)
        for line in slot:
            if not line.endswith(b"\n") or b"\0" in line:
                break
            take(cursor, line, handle)
            before = (before + line)[-KEPT:]
            state["offset"] += len(line)
            state["before"] = before.hex()
            cursor.save()


def take(cursor, line, handle):
    text = line.decode("utf-8-sig", "replace").strip()
    if not text:
        return
    try:
        message = json.loads(text)
        sender, content = message["from"], message["content"]
    except (ValueError, KeyError, TypeError):
        print("set aside, no message: " + repr(line[:200]), file=sys.stderr)
        return
    key = "%s %s" % (sender, message.get("id", ""))
    if message.get("id") and key in cursor.known:
        return
    handle(message)
    if message.get("id"):
        cursor.known.add(key)
        cursor.state["known"] = (cursor.state["known"] + [key])[-KNOWN:]
        cursor.known.intersection_update(cursor.state["known"])


def show(message):
    print(json.dumps(message, ensure_ascii=False), flush=True)


def main(args):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    share, me, deed, *rest = args + [""] * max(0, 3 - len(args))
    sends = deed == "send" and len(rest) in (2, 4) and rest[2:3] in ([], ["--reply-to"])
    receives = deed == "receive" and len(rest) > 0 and rest[1:] in ([], ["--follow"])
    if not (sends or receives):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        if sends:
            print(send(share, me, rest[0], rest[1], rest[3] if len(rest) == 4 else None))
            return 0
        # An open slot of one's own says that one is there: senders find it, and `lanpost peers` lists it as plain.
        open(slot_of(share, me), "ab").close()
        cursor = Cursor(rest[0])
        receive(share, me, cursor, show)
        while "--follow" in rest:
            time.sleep(1)
            receive(share, me, cursor, show)
        return 0
    except (OSError, ValueError) as error:
        print("plain.py: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
