# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows after what was written to it: a strict one, that knows few sequences."""

import re

SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """
    Rows and columns; scrolls at the bottom. A line that would have to be broken, a control character
    or an escape sequence that it doesn't know is an AssertionError.
    """

    def __init__(self, rows=24, columns=80):
        self.rows, self.columns = rows, columns
        self.lines = [""]
        self.row = self.column = 0
        self.rest = ""
        self.clears = 0

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            if text[0] == "\x1b":
                match = SEQUENCE.match(text)
                if not match:
                    assert len(text) < 16, f"no sequence that is known: {text[:20]!r}"
                    self.rest = text
                    return
                self.obey(match[1], match[2])
                text = text[match.end():]
            else:
                self.write(text[0])
                text = text[1:]

    def write(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            while self.row >= len(self.lines):
                self.lines.append("")
            if self.row >= self.rows:
                self.lines.pop(0)
                self.row -= 1
        else:
            assert character.isprintable(), f"a control character: {character!r}"
            assert self.column < self.columns, f"too long: {self.lines[self.row]}"
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1

    def obey(self, parameters, letter):
        if letter == "m":
            return
        if letter == "A":
            assert int(parameters or 1) <= self.row, "up over the top"
            self.row -= int(parameters or 1)
        elif letter == "K" and not parameters:
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif letter == "J" and not parameters:
            self.lines[self.row] = self.lines[self.row][:self.column]
            del self.lines[self.row + 1:]
        elif letter == "H" and not parameters:
            self.row = self.column = 0
        elif letter == "J" and parameters == "2":
            self.lines = [""] * len(self.lines)
            self.clears += 1
        else:
            raise AssertionError(f"no sequence that is known: ESC [ {parameters} {letter}")

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.lines)
