"""A stand-in for sardiff: it speaks the protocol, computes nothing, and writes down how it was started.

Standard library only, for a Python of any kind. What it does is said by FAKE_SARDIFF:

    good       a few tiles, then a result
    slow       tiles for a minute; ends when its life line does, and takes its partial file along
    deaf       the same, but hears nothing
    newer      speaks a protocol of the future
    refuses    an error in a sentence
    crashes    ends without a word
    older      knows no --lifeline
"""

import json
import os
import sys
import threading
import time

WAY = os.environ.get("FAKE_SARDIFF", "good")
PROTOCOL = 99 if WAY == "newer" else 1


def tell(event, **facts):
    sys.stdout.write(json.dumps({"protocol": PROTOCOL, "event": event, **facts}) + "\n")
    sys.stdout.flush()


def hang_on(partial):
    def wait():
        while os.read(0, 100):
            pass
        if os.path.exists(partial):
            os.remove(partial)
        os._exit(143)

    threading.Thread(target=wait, daemon=True).start()


def tiles(count, pause):
    for done in range(count + 1):
        share = done / count
        tell("progress", phase="tiles", done=done, total=count, share=share, eta_seconds=(count - done) * pause)
        time.sleep(pause)


def main():
    words = sys.argv[1:]
    if os.environ.get("FAKE_RECORD"):
        with open(os.environ["FAKE_RECORD"], "w") as file:
            json.dump({"words": words, "environ": dict(os.environ), "cwd": os.getcwd(), "pid": os.getpid()}, file)
    if WAY == "older":
        sys.stderr.write("sardiff: error: No such option '--lifeline'. See 'sardiff --help'\n")
        return 2
    output = words[-1]
    partial = os.path.join(os.path.dirname(output), "." + os.path.basename(output) + ".partial.tif")
    if WAY != "deaf":
        hang_on(partial)
    if "doctor" in words:
        findings = {"sardiff": {"found": "9.9", "well": True}, "disk": {"found": "little", "well": False}}
        print(json.dumps({"protocol": PROTOCOL, "well": False, "findings": findings}))
        return 1
    tell("start", command=words[1], device="a fake")
    tell("note", text="Values: intensity.")
    tell("a kind of the future", anything=1)
    print("a word of some library")
    if WAY == "crashes":
        os.abort()
    if WAY == "refuses":
        tell("error", message="scene.tif: what a scene; take another", exit_status=2)
        return 2
    with open(partial, "w") as file:
        file.write("half")
    tiles(*((600, 0.1) if WAY in ("slow", "deaf") else (3, 0.01)))
    os.replace(partial, output)
    tell("done", text="Done.", outputs=[output])
    return 0


if __name__ == "__main__":
    sys.exit(main())
