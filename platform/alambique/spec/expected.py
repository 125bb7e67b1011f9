"""What would be right in place of a field that was refused: pydantic's faults in our words."""

from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "the field is missing: give it",
    "extra_forbidden": "no such field: {hint}check its spelling, or leave it out",
    "invalid_key": "a name in it is no text, as YAML reads it: put it in quotes",
    "invalid-json-value": "expected a text, a number, a list or a mapping; in quotes it is a text",
    "recursion_loop": "expected something that is not nested so deeply, and not in itself",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number that is finite",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected a text",
    "string_pattern_mismatch": "expected letters, digits, '.', '_' and '-', the first one a letter "
    "or a digit, at most 96 of them",
    "string_too_long": "expected at most {max_length} characters",
    "list_type": "expected a list, such as [a, b]",
    "tuple_type": "expected a list, such as [a, b]",
    "dict_type": "expected a mapping, such as {{train: 2000}}",
    "too_short": "expected at least {min_length} of them",
    "literal_error": "expected {expected}",
    "union_tag_invalid": "expected a mapping whose kind is {expected_tags}",
    "union_tag_not_found": "expected a mapping with a kind, such as {{kind: gold, weight: 0.5}}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
}
"""By the kind of fault, with the names that pydantic gives in its context."""

_EXAMPLES = {
    "Data": "conll2002 or {name: conll2002, limit: {train: 2000}}",
    "SplitShares": "{dev: 0.1, test: 0.1}",
    "Teacher": "{model: team/model}",
    "Candidate": "{model: team/model, grid: {epochs: [2, 3]}}",
    "Grid": "{batch_size: [16, 32], learning_rate: [1.0e-5, 2.0e-5]}",
    "Student": "{layers: 4}",
    "Architecture": "{architecture: bert, layers: 4, width: 256, heads: 4, ffn: 512}",
    "Change": "{start: 4.0, end: 1.0}",
    "Intermediate": "{objective: [{kind: hidden}], train: {schedule: constant}}",
    "Train": "{epochs: 3, learning_rate: 5.0e-5}",
    "Resources": "{workers: 2}",
    "Search": "{space: {student.layers: [2, 4]}, trials: 8}",
}
"""Of the mapping that a record is read from."""


def error_text(fault: ErrorDetails, hint: str = "") -> str:
    """Return what is wrong with a field, and what would be right; of an unknown one with a hint."""
    kind, context = kind_of(fault), fault.get("ctx", {}) | {"hint": hint}
    if kind in ("model_type", "model_attributes_type"):
        example = _EXAMPLES.get(context.get("class_name", ""))
        return f"expected a mapping of fields{f', such as {example}' if example else ''}"
    if words := _WORDS.get(kind):
        return words.format(**context)
    return fault["msg"].removeprefix("Value error, ")


def kind_of(fault: ErrorDetails) -> str:
    """Return the kind of fault; of a name that is no text it is the same in every mapping."""
    no_text = fault["loc"][-1:] == ("[key]",) and not isinstance(fault["input"], str)
    return "invalid_key" if no_text else fault["type"]
