# SPDX-License-Identifier: Apache-2.0
"""Writes a dict as libconfig text: dict = group, list = array, str, bool, int."""


def quote(text):
    """A libconfig string."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def value(item, indent):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, dict):
        return "{\n" + settings(item, indent + 2) + " " * indent + "}"
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(part, indent) for part in item) + "]"
    return quote(str(item))


def settings(group, indent=0):
    """The group's settings, one a line. None leaves a key out."""
    pad = " " * indent
    return "".join(
        f"{pad}{key} = {value(item, indent)};\n" for key, item in group.items() if item is not None
    )


def merge(base, extra):
    """|extra| over |base|, key by key as agentd merges its files; neither is changed."""
    merged = dict(base)
    for key, item in extra.items():
        if isinstance(item, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], item)
        else:
            merged[key] = item
    return merged
