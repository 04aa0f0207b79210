"""What a champion file may hold, checked on its bytes before any runtime sees them, without the onnx package.

An allow-list: every byte must belong to a field of `onnx_schema` and be written as a canonical writer writes it. A
field number that is not known, a tag or a varint longer than it need be, a wire type that is not the field's, a
singular field that comes twice: each could mean one thing to this check and another to the runtime, so each is refused.
Of what is left every parser of the format makes the same message, and writing it anew gives the same fields, each as
long as it was: so the runtime gets the bytes as they are. (Protocol Buffers, Encoding; the tests hold this against the
onnx package's parser.)
"""

from collections.abc import Iterator
from typing import NamedTuple

from lambda_fn.champion.onnx_schema import BYTES, FIXED32, MESSAGES, VARINT, WIRE, Field
from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # the first two are one
MAX_OPSET = 21
MAX_IR = 10
MAX_DEPTH = 32  # of messages within messages; a graph in a graph takes three
MAX_NODES = 20_000  # of all graphs and functions
MAX_FIELDS = 400_000  # of all messages: what is checked is checked in a second
MAX_PACKED = 65_536  # bytes of a packed list of varints, which is walked; larger tensors are raw_data, which is not
RANDOM = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)
# Control flow, shapes that depend on data, and values that are no numbers, which no exporter of a forecast needs. Some
# serve attacks, and with them the cost of a run depends on its prices. If and Loop stay: ndonnx writes an If for each
# matrix product, and Keras' GRU becomes a Loop. This is a second line of defence; the first is the sandbox.
_CONTROL = ("Scan", "SequenceMap", "Optional", "OptionalGetElement", "OptionalHasElement")
_SHAPES = ("Compress", "NonMaxSuppression", "NonZero", "Unique")
_SEQUENCES = (
    *("ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert"),
    *("SequenceLength", "SplitToSequence"),
)
_TEXTS = ("ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer")
_MAPS = ("CastMap", "CategoryMapper", "DictVectorizer", "LabelEncoder", "ZipMap")
REFUSED = frozenset((*_CONTROL, *_SHAPES, *_SEQUENCES, *_TEXTS, *_MAPS))
_EXTERNAL_DATA = ("Tensor", 13)
_GRAPH, _METADATA, _INPUT = 7, 14, 11
_OUTSIDE = "champion: a tensor is in another file; export it with all data inside"
_INT32_END, _UINT64_END = 2**31, 2**64
_ENUM_END = 15  # one more than the largest of AttributeType
_DROPOUT_INPUTS = 2  # the third says that it is in training, when it draws numbers


class _Message(NamedTuple):
    """A message still to be walked."""

    kind: str
    start: int
    end: int
    depth: int


def check_allowed(data: bytes) -> None:
    """Raises ContractError unless the file is ONNX of at most 32 MiB, IR <= 10 and opset <= 21, with operators of
    ONNX itself and ai.onnx.ml only, none of them random or REFUSED, and all its tensors inside; subgraphs and functions
    included. Linear in the bytes, and bounded: at most MAX_NODES nodes and MAX_FIELDS fields."""
    if len(data) > MAX_MODEL_BYTES:
        raise ContractError(f"champion: {len(data)} bytes, at most {MAX_MODEL_BYTES} are allowed; make it smaller")
    _Check(data).run()


class Description(NamedTuple):
    """What a file that is allowed says of itself, read without a runtime: its metadata_props and its inputs' names."""

    props: dict[str, str]
    inputs: tuple[str, ...]


def describe(data: bytes) -> Description:
    """Of bytes of any origin; raises ContractError as `check_allowed`."""
    check_allowed(data)
    props, inputs = {}, []
    for number, start, end in _parts(data, 0, len(data)):
        if number == _METADATA:
            entry = {part: data[at:to].decode() for part, at, to in _parts(data, start, end)}
            props[entry.get(1, "")] = entry.get(2, "")
        if number == _GRAPH:
            for part, here, there in _parts(data, start, end):
                if part == _INPUT:
                    inputs += [data[at:to].decode() for name, at, to in _parts(data, here, there) if name == 1]
    return Description(props, tuple(inputs))


def _parts(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field that is written as bytes, of a message that was checked."""
    check = _Check(data)
    while at < end:
        tag, at = check.varint(at, end, 5)
        if tag & 7 == VARINT:
            _, at = check.varint(at, end, 10)
        elif tag & 7 == FIXED32:
            at += 4
        else:
            size, at = check.varint(at, end, 5)
            yield tag >> 3, at, at + size
            at += size


class _Check:
    """One walk over one file: messages wait on a stack, and of what was walked only numbers are kept."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._waiting = [_Message("Model", 0, len(data), 0)]
        self._fields = self._nodes = 0
        self._text = ""  # the last that was read

    def run(self) -> None:
        first = self._waiting.pop()
        seen = self._walk(first)
        if 1 not in seen or 7 not in seen:
            raise _broken("no IR version or no graph")
        while self._waiting:
            self._walk(self._waiting.pop())

    def _walk(self, message: _Message) -> set[int]:
        """Checks the fields of one message, and puts the messages inside on the stack."""
        if message.depth > MAX_DEPTH:
            raise ContractError(f"champion: graphs nested deeper than {MAX_DEPTH} messages; export it flat")
        known, at, inputs, operator = MESSAGES[message.kind], message.start, 0, ""
        seen: set[int] = set()
        chosen: set[str] = set()
        while at < message.end:
            self._count_field()
            tag, at = self.varint(at, message.end, 5)
            number, wire = tag >> 3, tag & 7
            field = known.get(number)
            if (message.kind, number) == _EXTERNAL_DATA:
                raise ContractError(_OUTSIDE)
            if field is None:
                raise _broken(f"field {number} of {message.kind} is not among those that are allowed")
            where = f"{message.kind}.{field.name}"
            if wire != WIRE.get(field.kind, BYTES):
                raise _broken(f"{where} is written in another form")
            if (number in seen and not field.many) or field.choice in chosen:
                raise _broken(f"{where} is there twice")
            seen.add(number)
            if field.choice:
                chosen.add(field.choice)
            at = self._value(message, field, where, at)
            inputs += where == "Node.input"
            operator = self._text if where == "Node.op_type" else operator
        if operator == "Dropout" and inputs > _DROPOUT_INPUTS:
            raise ContractError("champion: Dropout in training mode draws random numbers; export it for inference")
        return seen

    def _value(self, message: _Message, field: Field, where: str, at: int) -> int:
        """Checks the value that begins at `at`; gives where it ends."""
        if WIRE.get(field.kind) == VARINT:
            value, at = self.varint(at, message.end, 10)
            self._check_number(field, where, value)
            return at
        if WIRE.get(field.kind) == FIXED32:
            return self._within(at, 4, message.end)
        size, at = self.varint(at, message.end, 5)
        end = self._within(at, size, message.end)
        if field.kind in MESSAGES:
            self._count_node(field)
            self._waiting.append(_Message(field.kind, at, end, message.depth + 1))
        elif field.kind == "text":
            self._check_text(field, where, at, end)
        elif field.kind.startswith("packed"):
            self._check_packed(field.kind, where, at, end)
        return end

    def _check_number(self, field: Field, where: str, value: int) -> None:
        if value >= {"int64": _UINT64_END, "int32": _INT32_END, "enum": _ENUM_END}[field.kind]:
            raise _broken(f"{where} is out of range")
        if where == "Tensor.data_location" and value:
            raise ContractError(_OUTSIDE)
        if where == "Model.ir_version" and value > MAX_IR:
            raise ContractError(f"champion: IR version {value}, at most {MAX_IR} is allowed; export it lower")
        if where == "OperatorSetId.version" and value > MAX_OPSET:
            raise ContractError(f"champion: opset {value}, at most {MAX_OPSET} is allowed; export it lower")

    def _check_text(self, field: Field, where: str, at: int, end: int) -> None:
        try:
            text = self._data[at:end].decode()
        except UnicodeDecodeError as error:
            raise _broken(f"{where} is not UTF-8") from error
        self._text = text
        if where in ("OperatorSetId.domain", "Node.domain", "Function.domain") and text not in DOMAINS:
            raise ContractError(f"champion: operators of {text!r}; only those of ONNX and ai.onnx.ml are allowed")
        if where == "Node.op_type" and text in RANDOM:
            raise ContractError(f"champion: {text} draws random numbers; equal prices must give equal forecasts")
        if where == "Node.op_type" and text in REFUSED:
            raise ContractError(f"champion: the operator {text} is not allowed; export the model without it")

    def _check_packed(self, kind: str, where: str, at: int, end: int) -> None:
        width = {"packed_4": 4, "packed_8": 8}.get(kind)
        if at == end or (width and (end - at) % width):
            raise _broken(f"{where} is written in another form")
        if width is None and end - at > MAX_PACKED:
            raise ContractError(f"champion: {where} has {end - at} bytes; export large tensors as raw_data")
        while width is None and at < end:
            _, at = self.varint(at, end, 10)

    def _count_field(self) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise ContractError(f"champion: more than {MAX_FIELDS:,} fields; make it smaller")

    def _count_node(self, field: Field) -> None:
        self._nodes += field.kind == "Node"
        if self._nodes > MAX_NODES:
            raise ContractError(f"champion: more than {MAX_NODES:,} nodes; make it smaller")

    def _within(self, at: int, size: int, end: int) -> int:
        if at + size > end:
            raise _broken("it is cut off")
        return at + size

    def varint(self, at: int, end: int, longest: int) -> tuple[int, int]:
        """A number in as few bytes as it needs, at most `longest`, below 2^64, and where that ends."""
        value = shift = 0
        while at < end and shift < 7 * longest:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or value >= _UINT64_END or (longest == 5 and value >= 2**32):
                    break
                return value, at
            shift += 7
        raise _broken("a number is cut off or longer than it need be")


def _broken(why: str) -> ContractError:
    return ContractError(f"champion: not an ONNX file of the kind that is allowed: {why}; export it again")
