"""What the residue test plants, and every spelling in which it looks for it.

A plant is a secret that exists once in the world: finding it, or 8 bytes in a row of it, means that this very request
left it behind. Each knows the path that it was sent on.
"""
import base64
import secrets
import string

from harness import card_number

WINDOW = 8


class Plant:
    """`bytes`: what was sent. `where`: on which path. `windows`: whether a part of it counts. `homes`: {(role, place)}
    where it may be found, since it lives there: keys that are in use."""

    def __init__(self, kind, data, where, windows=True, homes=()):
        self.kind = kind
        self.bytes = data
        self.where = where
        self.windows = windows
        self.homes = frozenset(homes)

    def __repr__(self):
        return f"{self.kind} of '{self.where}'"

    @property
    def text(self):
        return self.bytes.decode()


def _percent(data, digits):
    return "".join("%" + format(byte, digits) for byte in data).encode()


def _base64_inside(data, shift):
    """What base64 makes of these bytes wherever they begin in a group of three: the letters that no neighbour has a
    part in."""
    text = base64.b64encode(b"\0" * shift + data)
    return text[-(-shift * 8 // 6):(shift + len(data)) * 8 // 6]


def spellings(data):
    """(bytes, name) of every spelling of any bytes."""
    yield data, "raw"
    yield data.hex().encode(), "hex"
    yield data.hex().upper().encode(), "hex"
    yield _percent(data, "02x"), "URL"
    yield _percent(data, "02X"), "URL"
    for shift in range(3):
        plain = _base64_inside(data, shift)
        yield plain, "base64"
        yield plain.translate(bytes.maketrans(b"+/", b"-_")), "base64url"
    if data.isascii():
        text = data.decode("ascii")
        yield text.encode("utf-16-le"), "UTF-16 LE"
        yield text.encode("utf-16-be"), "UTF-16 BE"
        yield "".join(f"\\u{ord(letter):04x}" for letter in text).encode(), "JSON escapes"
        yield "".join(f"\\u{ord(letter):04X}" for letter in text).encode(), "JSON escapes"


def number_spellings(digits):
    """Those of a whole card number in binary: 8 digits of it would be 4 bytes, which chance finds."""
    padded = [digits] if len(digits) % 2 == 0 else [digits + "f", "0" + digits]
    for text in padded:
        yield bytes.fromhex(text), "BCD"
    for order in ("little", "big"):
        yield int(digits).to_bytes(8, order), "binary " + order


def needles(plant):
    """{bytes: spelling} of all that is looked for."""
    wanted = {}
    pieces = [plant.bytes]
    if plant.windows:
        pieces += [plant.bytes[at:at + WINDOW] for at in range(len(plant.bytes) - WINDOW + 1)]
    for piece in pieces:
        wanted.update(spellings(piece))
    if plant.kind == "card number" and len(plant.bytes) >= 16:
        wanted.update(number_spellings(plant.text))
    return {needle: name for needle, name in wanted.items() if len(needle) >= WINDOW}


def _is_rare(digits):
    """No 8 digits of it that others write as well, such as 00000000 and 12345678."""
    pieces = [digits[at:at + WINDOW] for at in range(len(digits) - WINDOW + 1)]
    return all(len(set(piece)) >= 4 and piece not in "0123456789012345" and piece not in "9876543210987654"
               and not piece.startswith(("19", "20")) for piece in pieces)


class Plants:
    """All that was planted so far, and what to look for: owners[needle] is [(plant, spelling)]."""

    def __init__(self):
        self.all = []
        self.owners = {}

    def add(self, kind, data, where, **options):
        plant = Plant(kind, data.encode() if isinstance(data, str) else data, where, **options)
        self.all.append(plant)
        for needle, spelling in needles(plant).items():
            self.owners.setdefault(needle, []).append((plant, spelling))
        return plant.text if isinstance(data, str) else plant.bytes

    def number(self, where, length=16, prefix="4"):
        """A card number that passes Luhn."""
        while True:
            digits = card_number(prefix, length)
            if _is_rare(digits):
                return self.add("card number", digits, where)

    def bad_number(self, where):
        """One that does not pass, and is a plant itself."""
        digits = self.number(where)
        bad = digits[:-1] + str((int(digits[-1]) + 5) % 10)
        return self.add("card number", bad, where)

    def word(self, where, kind="text", length=20):
        """Letters at random: cardholder names, metadata, message bodies."""
        return self.add(kind, "".join(secrets.choice(string.ascii_lowercase) for _ in range(length)), where)

    def code(self, where, digits=3):
        """A verification code. Three digits are everywhere, so the code is looked for with its member's name."""
        code = "".join(secrets.choice("456789") for _ in range(digits))  # 123 is in the program, as an example
        for text in (f'"cvc":"{code}"', f'"cvc": "{code}"'):
            self.add("verification code", text, where, windows=False)
        return code

    def long_code(self, where):
        """One too long to be one: it is refused, and can be found by itself."""
        while True:
            digits = "".join(secrets.choice(string.digits) for _ in range(12))
            if _is_rare(digits):
                return self.add("verification code", digits, where)

    def card(self, where, **members):
        """A card of plants."""
        card = {"number": self.number(where), "exp_month": 12, "exp_year": 2039, "cvc": self.code(where),
                "name": self.word(where, "cardholder name")}
        return {**card, **members}
