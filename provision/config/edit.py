"""Change one value in the text of a stack file and leave everything else as the person wrote it."""

from __future__ import annotations

import yaml

from provision.config.parse import NAMESPACE
from provision.errors import ConfigError, Problem


def set_value(text: str, section: str, key: str, value: str, *, source: str) -> str:
    """*text* with ``llm-fleet:<section>.<key>`` set to *value*, comments and order kept.

    A key that is not there yet becomes the section's first. Raises ConfigError when the section
    is missing or not written as a block of keys; *source* is the file's name in that error.
    """
    block = _child(
        _child(yaml.compose(text, Loader=yaml.SafeLoader), "config"), NAMESPACE + section
    )
    if not isinstance(block, yaml.MappingNode) or block.flow_style or not block.value:
        problem = Problem(section, "is not a block of keys in this file", f"add `{key}: {value}`")
        raise ConfigError(source, [problem])
    node = _child(block, key)
    if node is None:
        start = block.value[0][0].start_mark
        line = f"{key}: {value}\n{' ' * start.column}"
        return text[: start.index] + line + text[start.index :]
    start_index, end_index = node.start_mark.index, node.end_mark.index
    space = "" if text[start_index - 1] == " " else " "
    return text[:start_index] + space + value + text[end_index:]


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
