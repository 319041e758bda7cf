"""A sub-network as a graph of few operations, for export: constants computed, BN folded.

    bn(conv(x; w, b)) = conv(x; w s, (b - mean) s + shift),   s = weight / sqrt(variance + eps)

The BN layers that stay are those of residual sums: no convolution comes directly before them.
Narrow groups of a convolution are put together to groups of WIDTH channels, with zeros between
them, and the features between two convolutions are filled up to a multiple of WIDTH: engines run
such convolutions in vectors, others not. Features of up to half of WIDTH channels stay narrow
before a 3x3 convolution, which would cost WIDTH channels' worth at each of its nine places. Zero
channels that a network adds come from a convolution too: ONNX Runtime keeps features in blocks of
channels for as long as it knows each operation's blocked form, and it has none of padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

aten = torch.ops.aten
WIDTH = 16
"""Channels: those that a vector of AVX-512 holds, two of AVX2."""


def lower(module: nn.Module, arguments: tuple[Tensor, ...]) -> fx.GraphModule:
    """The module as a graph, the first dimension of all arguments free.

    Args:
        module: in eval mode.
        arguments: examples, of more than one image.
    """
    batch, *of_features = batch_shapes(arguments)
    shapes = (batch, tuple(of_features)) if of_features else (batch,)  # features are one *argument
    graph_module = torch.export.export(module, arguments, dynamic_shapes=shapes).module()
    assert isinstance(graph_module, fx.GraphModule)
    graph = _Constants(graph_module)
    for simplify in (
        compute_constants,
        fold_norms,
        widen_by_convolution,
        fill_up,
    ):
        simplify(graph)
        graph_module.graph.eliminate_dead_code()
    graph_module.recompile()
    for part in graph_module.modules():  # what was exported has no eval(), and is not in training
        part.training = False
    return graph_module


def batch_shapes(arguments: Sequence[Tensor]) -> tuple[dict[int, Any], ...]:
    """For each argument that its first dimension is free, and the same for all."""
    return ({0: torch.export.Dim("batch")},) * len(arguments)


class _Constants:
    """A graph and the tensors that it holds."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module, self.graph = module, module.graph

    def convolutions(self) -> Iterator[fx.Node]:
        return iter(self.graph.find_nodes(op="call_function", target=aten.conv2d.default))

    def value(self, node: fx.Node) -> Tensor:
        value: Any = self.module
        for name in str(node.target).split("."):
            value = getattr(value, name)
        return value.detach()  # type: ignore[no-any-return]

    def add(self, value: Tensor, before: fx.Node) -> fx.Node:
        name = f"constant_{sum(1 for _ in self.module.buffers())}"
        self.module.register_buffer(name, value.clone().contiguous())
        with self.graph.inserting_before(before):
            return self.graph.get_attr(name)

    def conv(self, node: fx.Node) -> tuple[Tensor, Tensor, int]:
        """Weight, bias (zero if there is none) and groups of a convolution."""
        weight = self.value(node.args[1])  # type: ignore[arg-type]
        bias = node.args[2] if len(node.args) > 2 else None
        groups = node.args[6] if len(node.args) > 6 else 1
        zero = weight.new_zeros(len(weight))
        return weight, self.value(bias) if isinstance(bias, fx.Node) else zero, groups  # type: ignore[return-value]

    def set_conv(self, node: fx.Node, weight: Tensor, bias: Tensor, groups: int) -> None:
        defaults: list[Any] = [None, None, None, [1, 1], [0, 0], [1, 1], 1]
        args = [*node.args, *defaults[len(node.args) :]]
        args[1], args[2], args[6] = self.add(weight, node), self.add(bias, node), groups
        node.args = tuple(args)


def compute_constants(graph: _Constants) -> None:
    """Replace what is computed from weights alone by its value."""
    known: dict[fx.Node, Any] = {}
    for node in list(graph.graph.nodes):
        if node.op == "get_attr":
            known[node] = graph.value(node)
        elif node.op == "call_function" and node.all_input_nodes:
            if not all(source in known for source in node.all_input_nodes):
                continue
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for node, value in list(known.items()):
        if node.op == "call_function" and isinstance(value, Tensor):
            node.replace_all_uses_with(graph.add(value, node))


def fold_norms(graph: _Constants) -> None:
    """Put each BN layer that follows a convolution into that convolution."""
    for node in graph.graph.find_nodes(op="call_function", target=aten.batch_norm.default):
        source = node.args[0]
        if source.target != aten.conv2d.default or len(source.users) > 1:
            continue
        scale, shift, mean, variance = (graph.value(node.args[i]) for i in range(1, 5))
        s = scale / torch.sqrt(variance + node.args[7])
        weight, bias, groups = graph.conv(source)
        graph.set_conv(source, weight * s[:, None, None, None], (bias - mean) * s + shift, groups)
        node.replace_all_uses_with(source)


def fill_up(graph: _Constants) -> None:
    """Add zero channels between two convolutions, up to a multiple of WIDTH; join narrow groups."""
    before: dict[fx.Node, int] = {}
    after: dict[fx.Node, int] = {}
    for node in graph.convolutions():
        takers = _convolutions_behind_relu(node)
        after[node] = _channels_to_add(graph, node, takers)
        before |= dict.fromkeys(takers, after[node])
    for node, added in after.items():
        weight, bias, groups = graph.conv(node)
        inputs = before.get(node, 0)
        joined = _groups_when_joined(weight, groups, inputs, added)
        if joined != groups or inputs or added:
            dense = F.pad(_dense(weight, groups), (0, 0, 0, 0, 0, inputs, 0, added))
            graph.set_conv(node, _in_groups(dense, joined), F.pad(bias, (0, added)), joined)


def _convolutions_behind_relu(node: fx.Node) -> list[fx.Node]:
    """Those that take the output, if only a ReLU takes it and only convolutions that ReLU's."""
    users = list(node.users)
    if len(users) != 1 or users[0].target not in (aten.relu.default, aten.relu_.default):
        return []
    takers = list(users[0].users)
    return takers if all(taker.target == aten.conv2d.default for taker in takers) else []


def _channels_to_add(graph: _Constants, node: fx.Node, takers: Sequence[fx.Node]) -> int:
    """The zero channels that the output gets, which some convolutions take through a ReLU."""
    weights = [(weight, groups) for weight, _, groups in map(graph.conv, [node, *takers])]
    if not takers or not all(_can_be_filled(weight, groups) for weight, groups in weights):
        return 0
    channels = len(weights[0][0])
    added = -channels % WIDTH
    leads_to_3x3 = any(weight.shape[-1] > 1 for weight, _ in weights[1:])
    return 0 if leads_to_3x3 and added >= channels else added


def _can_be_filled(weight: Tensor, groups: int) -> bool:
    """Whether zero channels make no convolution of many channels one of far more products."""
    narrow = weight.shape[1]
    same_width = len(weight) == groups * narrow
    fits = 1 < narrow < WIDTH and WIDTH % narrow == 0
    return groups == 1 or (fits and (same_width or groups * narrow <= 4 * WIDTH))


def _groups_when_joined(weight: Tensor, groups: int, before: int, after: int) -> int:
    """The most groups of whole vectors; without zero channels, those of up to WIDTH channels."""
    narrow, out = weight.shape[1], len(weight) // groups
    if groups == 1 or narrow == 1 or narrow >= WIDTH:  # engines have depthwise ones of their own
        return groups
    inputs, outputs = groups * narrow + before, len(weight) + after
    for joined in range(inputs // WIDTH, 1, -1):
        whole = inputs % (joined * WIDTH) == outputs % (joined * WIDTH) == 0
        if whole and inputs // joined % narrow == 0 and outputs == inputs // narrow * out:
            return joined
    if before or after:
        return 1
    return min(g for g in range(1, groups + 1) if groups % g == 0 and groups // g * narrow <= WIDTH)


def _dense(weight: Tensor, groups: int) -> Tensor:
    """The weight of a grouped convolution as that of an undivided one, with zeros."""
    every = torch.arange(groups)
    out, narrow, *sides = weight.shape
    dense = weight.new_zeros(groups, out // groups, groups, narrow, *sides)
    dense[every, :, every] = weight.view(groups, out // groups, narrow, *sides)
    return dense.flatten(2, 3).flatten(0, 1)


def _in_groups(dense: Tensor, groups: int) -> Tensor:
    """The reverse: the weight of a convolution in groups, without what lies between them."""
    every = torch.arange(groups)
    out, inputs, *sides = dense.shape
    blocks = dense.view(groups, out // groups, groups, inputs // groups, *sides)
    return blocks[every, :, every].flatten(0, 1)


def widen_by_convolution(graph: _Constants) -> None:
    """Add the zero channels of `[x; 0]` and `[x_1; 0; x_2; 0; ...]` by a convolution.

    As many as x has are a depthwise convolution of x with zeros; others come, with x, from one
    with ones and zeros.
    """
    find = graph.graph.find_nodes
    for node in [
        *find(op="call_function", target=aten.pad.default),
        *find(op="call_function", target=aten.cat.default),
    ]:
        features, parts, channels, added = _widened(node)
        if not parts:
            continue
        with graph.graph.inserting_before(node):
            if parts == 1 and added == channels:
                weight = graph.add(torch.zeros(channels, 1, 1, 1), node)
                arguments = (features, weight, None, [1, 1], [0, 0], [1, 1], channels)
                zeros = graph.graph.call_function(aten.conv2d.default, arguments)
                wide = graph.graph.call_function(aten.cat.default, ([features, zeros], 1))
            else:
                part = torch.cat([torch.eye(channels), torch.zeros(added, channels)])
                weight = graph.add(part.repeat(parts, 1)[:, :, None, None], node)
                arguments = (features, weight, None, [1, 1], [0, 0], [1, 1], parts)
                wide = graph.graph.call_function(aten.conv2d.default, arguments)
        node.replace_all_uses_with(wide)


def _widened(node: fx.Node) -> tuple[Any, int, int, int]:
    """The features that a node widens, its parts, the channels of one and those it adds to it."""
    nothing = None, 0, 0, 0
    arguments: Any = node.args
    given = arguments[0]
    if node.target == aten.pad.default:
        *others, added = arguments[1]
        return nothing if len(others) != 5 or any(others) else (given, 1, _width(given), added)
    pieces, zeros = given[::2], given[1::2]
    if len(pieces) != len(zeros) or any(z.target != aten.zeros_like.default for z in zeros):
        return nothing
    return pieces[0].args[0].args[0], len(pieces), _width(pieces[0]), _width(zeros[0])


def _width(features: Any) -> int:
    return int(features.meta["val"].shape[1])
