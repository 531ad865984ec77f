#!/usr/bin/env python3
"""Bytes as a published SDK's own message classes make them, for the tests of our .proto files.

    python make_samples.py v1 PROTO_FOLDER > fixtures/wire/coreweave/v1.jsonl
    python make_samples.py v1 PROTO_FOLDER --check FILE      # exit 1 when the file is not what this SDK makes

Run it with the Python that has the SDK: cwsandbox 0.22.0 for v1beta2, 1.22.0 for v1.  For each message that
PROTO_FOLDER/coreweave_<version>.proto declares (and rpc.proto's, with v1) there is a line a sample:

    {"message": "ExecStreamExit", "sample": "full", "bytes": BASE64, "fields": [["exit_code", "-9"], ...]}

"fields" are those that are there, in the order of their numbers: scalars as text, bytes as hexadecimal, a message as
its fields with "name." in front (and itself as "{}"), an element of a list as "name.0", a map's entries as a list in
the order of their keys, an enum as its number.  The order of the bytes is that of the numbers, too.
"""

import argparse
import base64
import importlib
import json
import re
import sys
from pathlib import Path

from google.protobuf import any_pb2, duration_pb2, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor as Field

MODULES = {
    "v1beta2": ("gateway_pb2", "streaming_pb2", "discovery_pb2", "secrets_pb2"),
    "v1": ("sandbox_pb2", "discovery_pb2"),
}
DEEPEST = 2   # each message has samples of its own, too


def sdk_messages(version):
    found = {}
    for name in MODULES[version]:
        module = importlib.import_module(f"cwsandbox._proto.{name}")
        for message in module.DESCRIPTOR.message_types_by_name:
            found.setdefault(message, getattr(module, message))
    return found


def rpc_messages():
    from google.rpc import error_details_pb2, status_pb2
    return {
        "Timestamp": timestamp_pb2.Timestamp, "Duration": duration_pb2.Duration, "Any": any_pb2.Any,
        "Status": status_pb2.Status, "ErrorInfo": error_details_pb2.ErrorInfo,
        "RetryInfo": error_details_pb2.RetryInfo, "LocalizedMessage": error_details_pb2.LocalizedMessage,
        "FieldViolation": error_details_pb2.BadRequest.FieldViolation, "BadRequest": error_details_pb2.BadRequest,
    }


def declared(path):
    return re.findall(r"^message (\w+) \{", path.read_text(), re.M)


# ---- values

INTEGERS = {
    Field.TYPE_INT32: (-(2**31), 2**31 - 1), Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1), Field.TYPE_UINT64: (0, 2**64 - 1),
}


def scalar(field, extreme, depth=0):
    if field.type == Field.TYPE_STRING:
        return "ü€𝄞 \x7f" * (20 if depth == 0 else 1) if extreme else f"{field.name}-{field.number}"
    if field.type == Field.TYPE_BYTES:
        return bytes(range(256 if depth == 0 else 4)) if extreme else b"\x00\xff" + field.name.encode()
    if field.type == Field.TYPE_BOOL:
        return True
    if field.type == Field.TYPE_ENUM:
        return 12345 if extreme else field.enum_type.values[-1].number
    low, high = INTEGERS[field.type]
    if extreme:
        return low if low < 0 else high
    return field.number * 1000 + 7


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def set_field(message, field, extreme, depth):
    if is_map(field):
        entries = getattr(message, field.name)
        for key in ("a", "B b", "ключ") if extreme else ("name",):
            entries[key] = "value of " + key
    elif field.is_repeated:
        items = getattr(message, field.name)
        for i in range(3 if extreme else 2):
            if field.message_type is not None:
                fill(items.add(), extreme and i == 0, depth + 1)
            else:
                items.append(scalar(field, extreme and i == 0, depth))
    elif field.message_type is not None:
        part = getattr(message, field.name)
        part.SetInParent()
        fill(part, extreme, depth + 1)
    else:
        setattr(message, field.name, scalar(field, extreme, depth))


def fill(message, extreme, depth=0, choice=0):
    """Every field; of a oneof's members one, by `choice`."""
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[choice % len(oneof.fields)] is not field:
            continue
        if depth < DEEPEST:
            set_field(message, field, extreme, depth)


def samples(cls):
    yield "empty", cls()
    widest = max((len(oneof.fields) for oneof in cls.DESCRIPTOR.oneofs), default=1)
    for choice in range(widest):
        message = cls()
        fill(message, False, choice=choice)
        yield f"full-{choice}", message
        message = cls()
        fill(message, True, choice=choice)
        yield f"extreme-{choice}", message
    # What presence is about: a member that is there and has its default.
    for oneof in cls.DESCRIPTOR.oneofs:
        for field in oneof.fields:
            message = cls()
            if field.message_type is not None:
                getattr(message, field.name).SetInParent()
            else:
                setattr(message, field.name, type(scalar(field, False))())
            yield f"default-{field.name}", message


# ---- telling

def text_of(field, value):
    if field.type == Field.TYPE_BYTES:
        return value.hex()
    if field.type == Field.TYPE_BOOL:
        return "true" if value else "false"
    return str(value)


def tell(message, prefix, out):
    for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].number):
        name = prefix + field.name
        if is_map(field):
            for i, key in enumerate(sorted(value, key=lambda text: text.encode())):
                out += [[f"{name}.{i}", "{}"]]
                out += [[f"{name}.{i}.key", key]]
                out += [[f"{name}.{i}.value", value[key]]]
        elif field.is_repeated:
            for i, item in enumerate(value):
                tell_one(field, item, f"{name}.{i}", out)
        else:
            tell_one(field, value, name, out)
    return out


def tell_one(field, value, name, out):
    if field.message_type is None:
        out.append([name, text_of(field, value)])
    else:
        out.append([name, "{}"])
        tell(value, name + ".", out)


def lines(version, folder):
    wanted = {name: cls for name, cls in sdk_messages(version).items()}
    names = [(name, wanted[name]) for name in declared(folder / f"coreweave_{version}.proto")]
    if version == "v1":
        rpc = rpc_messages()
        names += [("rpc." + name, rpc[name]) for name in declared(folder / "rpc.proto")]
    for name, cls in names:
        for sample, message in samples(cls):
            data = message.SerializeToString(deterministic=True)
            yield json.dumps({"message": name, "sample": sample, "bytes": base64.b64encode(data).decode(),
                              "fields": tell(message, "", [])})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("version", choices=sorted(MODULES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", type=Path)
    options = parser.parse_args()
    made = "\n".join(lines(options.version, options.folder)) + "\n"
    if options.check is None:
        sys.stdout.write(made)
        return 0
    if options.check.read_text() == made:
        return 0
    print(f"{options.check} is not what the installed SDK makes: run {Path(__file__).name} again", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
