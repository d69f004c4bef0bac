"""Documents of a JSON Schema: valid ones, and mutations of them near the schema's bounds.

Knows the keywords that a contract may use (schemas/README.md) and no others. The same seed gives
the same documents.

SPDX-License-Identifier: Apache-2.0
"""
import copy
import datetime
import fractions
import json
import math
import random
import string

try:
    from re import _constants as sre_constants, _parser as sre_parser
except ImportError:  # before Python 3.11
    import sre_constants
    import sre_parse as sre_parser

INT64 = (-2**63, 2**63 - 1)


def branches_for(schema, value):
    tag = schema.get("x-discriminator")
    return [branch for branch in schema.get("oneOf", [])
            if branch["properties"][tag]["const"] == value.get(tag)]


LETTERS = (string.ascii_letters + string.digits + " -_.,\"\\/<>&'\t\n\x01\x7f"
           + "АЯёЩъ№" + "äß€中\u200d\u202e\u0301\uffff" + "🚚𝒳")


class Maker:
    """Values of a schema, most of them valid, with the bounds more often than chance would."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, p):
        return self.random.random() < p

    def value(self, schema):
        types = schema.get("type")
        if isinstance(types, list):
            if self.chance(0.2):
                return None
            types = next(name for name in types if name != "null")
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "oneOf" in schema:
            return self.object(self.random.choice(schema["oneOf"]))
        if types is None:
            return self.anything()
        return getattr(self, types)(schema)

    def anything(self, depth=0):
        kind = self.random.randrange(9 if depth < 3 else 6)
        if kind < 6:
            return [None, True, self.random.randrange(-5, 5), round(self.random.uniform(-9, 9), 3),
                    self.text(0, 6), 2**53 + 1][kind]
        if kind < 8:
            return {self.text(0, 4): self.anything(depth + 1)
                    for _ in range(self.random.randrange(4))}
        return [self.anything(depth + 1) for _ in range(self.random.randrange(4))]

    def object(self, schema):
        required = schema.get("required", [])
        keep = self.random.choice([0, 0.3, 0.7, 0.9, 1])
        items = [(name, self.value(inner)) for name, inner in schema.get("properties", {}).items()
                 if name in required or self.chance(keep)]
        if self.chance(0.5):
            self.random.shuffle(items)
        return dict(items)

    def array(self, schema):
        low, high = schema.get("minItems", 0), schema["maxItems"]
        count = self.random.randint(low, min(high, low + 3))
        if high <= 200 and self.chance(0.01):
            count = high
        out = []
        for _ in range(count * 4):
            if len(out) == count:
                break
            item = self.value(schema["items"])
            if not (schema.get("uniqueItems") and item in out):
                out.append(item)
        return out

    def boolean(self, _schema):
        return self.chance(0.5)

    def integer(self, schema):
        low = max(schema.get("minimum", INT64[0]), schema.get("exclusiveMinimum", -2**64) + 1)
        high = min(schema.get("maximum", INT64[1]), schema.get("exclusiveMaximum", 2**64) - 1)
        of = schema.get("multipleOf", 1)
        low, high = -(-low // of), high // of
        pick = self.random.randrange(6)
        n = of * (low if pick == 0 else high if pick == 1 else
                  min(max(self.random.randint(-100, 100), low), high) if pick == 2 else
                  self.random.randint(low, high))
        return float(n) if self.chance(0.05) and abs(n) < 2**53 else n

    def number(self, schema):
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e9))
        high = schema.get("maximum", schema.get("exclusiveMaximum", 1e9))
        of = schema.get("multipleOf")
        if of is not None:
            scale = fractions.Fraction(repr(of))
            return float(scale * self.random.randint(math.ceil(low / of), math.floor(high / of)))
        n = self.random.choice([self.random.uniform(low, high), 0.0, low, high,
                                round(self.random.uniform(low, high), 2)])
        if n in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
            n = (low + high) / 2
        return int(n) if n == int(n) and self.chance(0.5) else n

    def text(self, low, high):
        length = self.random.choice([low, high, self.random.randint(low, high),
                                     self.random.randint(low, min(high, low + 8))])
        letters = LETTERS if self.chance(0.5) else string.ascii_lowercase
        return "".join(self.random.choice(letters) for _ in range(length))

    def string(self, schema):
        made = schema.get("format") or schema.get("x-format")
        if made is not None:
            return getattr(self, made.replace("-", "_"))()
        low, high = schema.get("minLength", 0), schema["maxLength"]
        if "pattern" not in schema:
            return self.text(low, high)
        for _ in range(100):
            text = self.matching(sre_parser.parse(schema["pattern"]), high)
            if low <= len(text) <= high:
                return text
        raise AssertionError(f"no text for {schema}")

    def matching(self, parts, room):
        """A text that the regular expression matches."""
        return "".join(self.matching_part(code, detail, room) for code, detail in parts)

    def matching_part(self, code, detail, room):
        name = str(code)
        if name == "LITERAL":
            return chr(detail)
        if name == "AT":
            return ""
        if name == "IN":
            return self.one_of(detail)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = detail
            high = low + room if high is sre_constants.MAXREPEAT else high
            count = self.random.randint(low, min(int(high), low + room))
            return "".join(self.matching(inner, room) for _ in range(count))
        if name == "SUBPATTERN":
            return self.matching(detail[-1], room)
        if name == "BRANCH":
            return self.matching(self.random.choice(detail[1]), room)
        raise AssertionError(f"the generator does not know {name}: teach it")

    def one_of(self, choices):
        code, detail = self.random.choice(choices)
        if str(code) == "LITERAL":
            return chr(detail)
        if str(code) == "RANGE":
            return chr(self.random.randint(*detail))
        if str(code) == "CATEGORY" and str(detail) == "CATEGORY_DIGIT":
            return self.random.choice(string.digits)
        raise AssertionError(f"the generator does not know {code} {detail}: teach it")

    def uuid(self):
        digits = f"{self.random.getrandbits(128):032x}"
        text = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return text.upper() if self.chance(0.2) else text

    def day(self):
        edge = self.random.choice([None, None, None, (1, 1, 1), (9999, 12, 31), (2024, 2, 29)])
        return datetime.date(*edge) if edge else datetime.date.fromordinal(
            self.random.randint(1, datetime.date.max.toordinal()))

    def date(self):
        return self.day().isoformat()

    def date_time(self):
        if self.chance(0.05):
            return self.random.choice(["2016-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00",
                                       "2016-12-31T23:59:60.75Z"])
        day = min(max(self.day(), datetime.date(1, 1, 2)), datetime.date(9999, 12, 30))
        clock = "".join((f"{self.random.randrange(24):02}:{self.random.randrange(60):02}",
                         f":{self.random.randrange(60):02}"))
        fraction = "" if self.chance(0.5) else "." + "".join(
            self.random.choice(string.digits) for _ in range(self.random.randint(1, 12)))
        zone = self.random.choice(["Z", "z", "+00:00", "-00:00"]) if self.chance(0.5) else (
            f"{self.random.choice('+-')}{self.random.randrange(24):02}"
            f":{self.random.randrange(60):02}")
        return f"{day.isoformat()}{self.random.choice('TTTt')}{clock}{fraction}{zone}"

    def email(self):
        def word(letters, longest):
            return "".join(self.random.choice(letters)
                           for _ in range(self.random.randint(1, longest)))
        letters = string.ascii_letters + string.digits
        return (".".join(word(letters + "!#$%&'*+/=?^_`{|}~-", 8)
                         for _ in range(self.random.randint(1, 3))) + "@"
                + ".".join(word(letters, 9) for _ in range(self.random.randint(2, 4))))

    def e164(self):
        return f"+{self.random.randint(10, 10**self.random.randint(2, 15) - 1)}"


ODD = [None, True, False, 0, 1, -1, 0.5, 1.0, 1e3, -0.0, 1e308, 2**31, 2**53, 2**53 + 1, 2.0**53,
       1e18, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 10**30, "", " ", "0", "null", "true", "\0",
       "a\0b", "é", "e\u0301", "🚚", "\u202e", "x" * 400, [], {}, [[]], [None], {"": None}, {"a": 1}]


class Mutator:
    """Breaks a valid document in one place (sometimes two), near a bound rather than far off."""

    def __init__(self, maker):
        self.maker = maker
        self.random = maker.random

    def places(self, schema, value, out, parent=None, key=None):
        out.append((schema, parent, key))
        if isinstance(value, dict):
            for branch in [schema, *branches_for(schema, value)]:
                for name, inner in branch.get("properties", {}).items():
                    if name in value:
                        self.places(inner, value[name], out, value, name)
        elif isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                self.places(schema["items"], item, out, value, index)
        return out

    def mutate(self, schema, document):
        holder = {"": copy.deepcopy(document)}
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            places = self.places(schema, holder[""], [], holder, "")
            where, parent, key = self.random.choice(places)
            if self.maker.chance(0.3):
                parent[key] = copy.deepcopy(self.random.choice(ODD))
            else:
                self.near(where, parent, key)
        return holder[""]

    def near(self, schema, parent, key):
        value = parent[key]
        if isinstance(value, dict):
            self.near_object(schema, value)
        elif isinstance(value, list):
            self.near_list(schema, value)
        elif isinstance(value, str):
            parent[key] = self.near_text(schema, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            parent[key] = self.near_number(schema, value)
        else:
            parent[key] = copy.deepcopy(self.random.choice(ODD))

    def near_object(self, schema, value):
        pick = self.random.randrange(4)
        if pick == 0 and value:
            del value[self.random.choice(list(value))]
        elif pick == 1:
            names = list(schema.get("properties", {})) or ["x"]
            name = self.random.choice(names)
            value[self.random.choice([name.upper(), name + "_", "a/b", "m~n", "", "ы",
                                      self.maker.text(1, 40)])] = self.maker.anything()
        elif pick == 2 and value:
            value[self.random.choice(list(value))] = None
        else:
            for name, inner in schema.get("properties", {}).items():
                value[name] = self.maker.value(inner)

    def near_list(self, schema, value):
        pick = self.random.randrange(4)
        if pick == 0 and value:
            value.append(copy.deepcopy(self.random.choice(value)))
        elif pick == 1 and value:
            value.pop(self.random.randrange(len(value)))
        elif pick == 2 and schema.get("maxItems", 999) <= 200:
            while len(value) <= schema["maxItems"]:
                value.append(self.maker.value(schema["items"]))
        else:
            del value[max(schema.get("minItems", 0) - 1, 0):]

    def near_number(self, schema, value):
        edges = [schema[name] for name in
                 ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if name in schema]
        edge = self.random.choice([*edges, value])
        step = schema.get("multipleOf", 1)
        return self.random.choice([edge - 1, edge + 1, edge - step, edge + step, edge, edge + 0.5,
                                   float(edge), str(edge), -edge, edge * 10, [edge]])

    def near_text(self, schema, value):
        if "enum" in schema or "const" in schema:
            return self.random.choice([value.lower(), value + " ", value[:-1], " " + value, ""])
        pick = self.random.randrange(7)
        at = self.random.randrange(len(value) + 1)
        if pick < 2 and "maxLength" in schema:
            length = self.random.choice([schema["maxLength"], schema["maxLength"] + 1,
                                         max(schema.get("minLength", 0) - 1, 0),
                                         schema.get("minLength", 0)])
            return "".join(self.random.choice("a1Я🚚") for _ in range(length))
        if pick < 4:
            return value[:at] + self.random.choice(LETTERS + "0123456789:+-TZ@.") + value[at:]
        if pick < 5:
            return value[:at] + value[at + 1:]
        if pick < 6:
            return value[:at] + self.random.choice(LETTERS + "0123456789:+-TZ@.") + value[at + 1:]
        return value + self.random.choice(["\n", " ", "\0", "0", "Z", value])

    def break_text(self, text):
        """Bytes that are no JSON, or hardly."""
        at = self.random.randrange(len(text) + 1)
        return self.random.choice([
            text[:at], text + "x", text + " {}", text[:at] + text[at + 1:],
            text[:at] + "," + text[at:], text.replace(":", ":NaN,", 1),
            text.replace("{", "{\"a\":1,\"a\":1,", 1), "\ufeff" + text,
            "[" * 40 + text + "]" * 40, text.replace("\"", "'"), " \t\r\n" + text + " \n",
            text.replace("{", "{\"deep\":" + "[" * 17 + "]" * 17 + ",", 1).replace(",}", "}"),
            text.replace(":", ":1e999,", 1), text[:at] + "\x00" + text[at:],
            text[:at] + "\\ud800" + text[at:]])


def documents(kind, schema, seed, count):
    maker = Maker(f"{seed}:{kind}")
    mutator = Mutator(maker)
    for n in range(count):
        document = maker.value(schema)
        if n % 2 == 0:
            yield "valid", json.dumps(document, ensure_ascii=maker.chance(0.5))
        elif n % 20 == 1:
            yield "broken", mutator.break_text(json.dumps(document))
        else:
            yield "mutated", json.dumps(mutator.mutate(schema, document),
                                        ensure_ascii=maker.chance(0.5))
