"""Reads rate exports with Python's own parsers: {"xml", "json", "txt"} on standard input, on standard
output each as a list of items, an item as a list of [member, text] in the order of the file."""
import decimal
import json
import sys
import xml.etree.ElementTree as ET


def text(value):
    return format(value, "f") if isinstance(value, decimal.Decimal) else value


given = json.load(sys.stdin)
root = ET.fromstring(given["xml"].encode())
assert root.tag == "rates" and not root.attrib, root
assert all(item.tag == "item" for item in root), [item.tag for item in root]
number = {"parse_float": decimal.Decimal, "parse_int": decimal.Decimal}
whole = json.loads(given["json"], **number)
assert list(whole) == ["rates"], list(whole)
lines = given["txt"].split("\n")
assert lines.pop() == "", "the last line has an end, too"
fields = [line.split(";") for line in lines]
assert all(len(line) == 6 and line[5] == "" for line in fields), fields
names = ["from", "to", "in", "out", "amount"]
json.dump(
    {
        "xml": [[[member.tag, member.text] for member in item] for item in root],
        "json": [[[name, text(value)] for name, value in item.items()] for item in whole["rates"]],
        "txt": [[list(pair) for pair in zip(names, line) if pair[1]] for line in fields],
    },
    sys.stdout,
)
