"""Lose the connection inside a character, and put the text together all the same."""

from hyperbrowser import Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import CreateSandboxParams

from story import admin, expect, finish

client = Hyperbrowser()
sandbox = client.sandboxes.create(CreateSandboxParams(image_name="node"))

started = sandbox.processes.start("print-price")
seen = []
try:
    for event in started.stream():
        seen.append(event)
except HyperbrowserError as error:
    print(f"the stream: {error}")
    expect("its code", error.code, "incomplete_output")
text = "".join(event.data for event in seen)
expect("the text so far", text, "5 ")  # half a character is not shown, and not replaced

admin("/barriers/wait", name="the rest")
admin("/barriers/open", name="the rest")
rest = list(sandbox.get_process(started.id).stream(from_seq=seen[-1].seq + 1))
expect("taken up behind it", rest[0].data, "€\n")
expect("all of it", text + rest[0].data, "5 €\n")
expect("the end", rest[-1].result.status, "exited")
sandbox.stop()
finish()
