"""Validate the bytes of a champion file before any runtime reads them, without the onnx package.

This is an allow-list: every byte must belong to a field of `onnx_schema` and be written as a canonical writer writes
it. An unknown field number, a tag or a varint that is longer than necessary, a wire type that is not the field's, a
singular field that comes twice: each could mean one thing to this check and another to the runtime, so each is
rejected. Every parser of the format reads the remaining files as the same message, and writing that message again gives
the same fields with the same lengths, so the runtime gets the bytes unchanged. (Protocol Buffers, Encoding; the tests
compare this with the parser of the onnx package.)
"""

from collections.abc import Iterator
from typing import NamedTuple

from lambda_fn.champion.onnx_schema import BYTES, FIXED32, MESSAGES, VARINT, WIRE, Field
from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # the first two are synonyms
MAX_OPSET = 21
MAX_IR = 10
MAX_DEPTH = 32  # of nested messages; a graph in a graph takes three
MAX_NODES = 20_000  # in all graphs and functions
MAX_FIELDS = 400_000  # in all messages, so that a check takes at most a second
MAX_PACKED = 65_536  # bytes of a packed list of varints, which are read one by one; raw_data is not
RANDOM = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)
# Control flow, shapes that depend on data, and values that are not numbers: no exporter of a forecast needs them, some
# are useful for attacks, and they make the cost of a run depend on its prices. If and Loop stay: ndonnx writes an If
# for each matrix product, and a GRU of Keras becomes a Loop. This is a second line of defence; the first is the
# sandbox.
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
_GRAPH, _METADATA, _INPUT, _OUTPUT = 7, 14, 11, 12
_OUTSIDE = "champion: a tensor is stored in another file; export the model with all data inside"
_INT32_END, _UINT64_END = 2**31, 2**64
_ENUM_END = 15  # one more than the largest of AttributeType
_DROPOUT_INPUTS = 2  # the third one is training_mode, in which it draws random numbers


class _Message(NamedTuple):
    """A message that has yet to be checked."""

    kind: str
    start: int
    end: int
    depth: int


def check_allowed(data: bytes) -> None:
    """Raise ContractError unless the bytes are an ONNX file that a champion may be.

    That is a file of at most 32 MiB, with IR <= 10 and opset <= 21, with operators of ONNX itself and ai.onnx.ml only,
    none of them random or REFUSED, and with all tensors inside; this includes subgraphs and functions. The time is
    linear in the bytes and bounded, by at most MAX_NODES nodes and MAX_FIELDS fields.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ContractError(
            f"champion: {len(data)} bytes, at most {MAX_MODEL_BYTES} are allowed; export a smaller model"
        )
    _Check(data).run()


class Description(NamedTuple):
    """The metadata_props and the names of the inputs and outputs of a file, read without a runtime."""

    props: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def describe(data: bytes) -> Description:
    """Check and read untrusted bytes. Raises ContractError as `check_allowed` does."""
    check_allowed(data)
    props: dict[str, str] = {}
    names: dict[int, list[str]] = {_INPUT: [], _OUTPUT: []}
    for number, start, end in _parts(data, 0, len(data)):
        if number == _METADATA:
            entry = {part: data[at:to].decode() for part, at, to in _parts(data, start, end)}
            props[entry.get(1, "")] = entry.get(2, "")
        if number == _GRAPH:
            for part, value_start, value_end in _parts(data, start, end):
                if part in names:
                    fields = _parts(data, value_start, value_end)
                    names[part] += [data[at:to].decode() for name, at, to in fields if name == 1]
    return Description(props, tuple(names[_INPUT]), tuple(names[_OUTPUT]))


def _parts(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field that is encoded as bytes. The message must have passed the check."""
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
    """One pass over a file. Messages wait on a stack; only counts are kept of those that were checked."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack = [_Message("Model", 0, len(data), 0)]
        self._fields = self._nodes = 0
        self._text = ""  # the last one that was read

    def run(self) -> None:
        """Check the whole file. Raises ContractError."""
        numbers = self._walk(self._stack.pop())
        if 1 not in numbers or 7 not in numbers:
            raise _format_error("no IR version or no graph")
        while self._stack:
            self._walk(self._stack.pop())

    def _walk(self, message: _Message) -> set[int]:
        """Check the fields of one message, push its nested messages, and return the numbers of its fields."""
        if message.depth > MAX_DEPTH:
            raise ContractError(f"champion: nested deeper than {MAX_DEPTH} messages; export a flatter graph")
        allowed, at, inputs, operator = MESSAGES[message.kind], message.start, 0, ""
        numbers: set[int] = set()
        choices: set[str] = set()
        while at < message.end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise ContractError(f"champion: more than {MAX_FIELDS:,} fields; export a smaller model")
            tag, at = self.varint(at, message.end, 5)
            number, wire = tag >> 3, tag & 7
            field = allowed.get(number)
            if (message.kind, number) == _EXTERNAL_DATA:
                raise ContractError(_OUTSIDE)
            if field is None:
                raise _format_error(f"field {number} of {message.kind} is not allowed")
            where = f"{message.kind}.{field.name}"
            if wire != WIRE.get(field.kind, BYTES):
                raise _format_error(f"{where} is encoded in another form")
            if (number in numbers and not field.many) or field.choice in choices:
                raise _format_error(f"{where} occurs twice")
            numbers.add(number)
            if field.choice:
                choices.add(field.choice)
            at = self._value(message, field, where, at)
            inputs += where == "Node.input"
            operator = self._text if where == "Node.op_type" else operator
        if operator == "Dropout" and inputs > _DROPOUT_INPUTS:
            raise ContractError(
                "champion: Dropout in training mode draws random numbers; export the model for inference"
            )
        return numbers

    def _value(self, message: _Message, field: Field, where: str, at: int) -> int:
        """Check the value that starts at `at`, and return where it ends.

        Args:
            message: the message that has the field.
            field: the field of the value.
            where: the name of the field in errors.
            at: the position after the tag.
        """
        if WIRE.get(field.kind) == VARINT:
            value, at = self.varint(at, message.end, 10)
            self._check_number(field, where, value)
            return at
        if WIRE.get(field.kind) == FIXED32:
            return self._within(at, 4, message.end)
        size, at = self.varint(at, message.end, 5)
        end = self._within(at, size, message.end)
        if field.kind in MESSAGES:
            self._nodes += field.kind == "Node"
            if self._nodes > MAX_NODES:
                raise ContractError(f"champion: more than {MAX_NODES:,} nodes; export a smaller model")
            self._stack.append(_Message(field.kind, at, end, message.depth + 1))
        elif field.kind == "text":
            self._check_text(where, at, end)
        elif field.kind.startswith("packed"):
            self._check_packed(field.kind, where, at, end)
        return end

    def _check_number(self, field: Field, where: str, value: int) -> None:
        """Raise ContractError unless the number, named `where` in errors, is allowed."""
        if value >= {"int64": _UINT64_END, "int32": _INT32_END, "enum": _ENUM_END}[field.kind]:
            raise _format_error(f"{where} is out of range")
        if where == "Tensor.data_location" and value:
            raise ContractError(_OUTSIDE)
        if where == "Model.ir_version" and value > MAX_IR:
            raise ContractError(
                f"champion: IR version {value}, at most {MAX_IR} is allowed; export the model with a lower one"
            )
        if where == "OperatorSetId.version" and value > MAX_OPSET:
            raise ContractError(
                f"champion: opset {value}, at most {MAX_OPSET} is allowed; export the model with a lower one"
            )

    def _check_text(self, where: str, at: int, end: int) -> None:
        """Raise ContractError unless the text from `at` to `end`, named `where` in errors, is allowed, and keep it."""
        try:
            text = self._data[at:end].decode()
        except UnicodeDecodeError as error:
            raise _format_error(f"{where} is not UTF-8") from error
        self._text = text
        if where in ("OperatorSetId.domain", "Node.domain", "Function.domain") and text not in DOMAINS:
            raise ContractError(f"champion: operators of {text!r}; only those of ONNX and ai.onnx.ml are allowed")
        if where == "Node.op_type" and text in RANDOM:
            raise ContractError(f"champion: the operator {text} draws random numbers; export a deterministic model")
        if where == "Node.op_type" and text in REFUSED:
            raise ContractError(f"champion: the operator {text} is not allowed; export the model without it")

    def _check_packed(self, kind: str, where: str, at: int, end: int) -> None:
        """Check a packed list of numbers.

        Args:
            kind: packed_4, packed_8 or packed_varint.
            where: the name of the field in errors.
            at: where it starts.
            end: where it ends.

        Raises ContractError.
        """
        width = {"packed_4": 4, "packed_8": 8}.get(kind)
        if at == end or (width and (end - at) % width):
            raise _format_error(f"{where} is encoded in another form")
        if width is None and end - at > MAX_PACKED:
            raise ContractError(f"champion: {where} has {end - at} bytes; export large tensors as raw_data")
        while width is None and at < end:
            _, at = self.varint(at, end, 10)

    def _within(self, at: int, size: int, end: int) -> int:
        if at + size > end:
            raise _format_error("it is truncated")
        return at + size

    def varint(self, at: int, end: int, max_bytes: int) -> tuple[int, int]:
        """Read a number below 2^64 in its shortest encoding, and return it with its end.

        Args:
            at: where it starts.
            end: where the message ends.
            max_bytes: of the encoding; 5 for a number below 2^32, 10 for one below 2^64.
        """
        value = shift = 0
        while at < end and shift < 7 * max_bytes:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or value >= _UINT64_END or (max_bytes == 5 and value >= 2**32):
                    break
                return value, at
            shift += 7
        raise _format_error("a number is truncated or not in its shortest encoding")


def _format_error(reason: str) -> ContractError:
    return ContractError(f"champion: not an ONNX file of the allowed form: {reason}; export it again")
