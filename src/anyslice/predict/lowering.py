"""A sub-network as a graph of few operations, for export: constants computed, BN folded.

    bn(conv(x; w, b)) = conv(x; w s, (b - mean) s + shift),   s = weight / sqrt(variance + eps)

The BN layers that stay are those of residual sums: no convolution comes directly before them.
Narrow groups of a convolution are put together to groups of WIDTH channels, with zeros between
them, and the features between two convolutions are filled up to a multiple of WIDTH: engines run
such convolutions in vectors, narrower ones not. Features of fewer channels stay narrow before a
3x3 convolution, which would cost WIDTH channels' worth at each of its nine places. Zero channels
that a network adds come from a convolution too: ONNX Runtime keeps features in blocks of channels
for as long as it knows each operation's blocked form, and it has none of padding.
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
        join_groups,
        fill_up,
    ):
        simplify(graph)
        graph_module.graph.eliminate_dead_code()
    graph_module.recompile()
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


def join_groups(graph: _Constants) -> None:
    """Make groups of few channels groups of up to WIDTH, with zeros between the parts."""
    for node in graph.convolutions():
        weight, bias, groups = graph.conv(node)
        narrow = weight.shape[1]
        join = max((j for j in range(1, groups + 1) if _fits(j, narrow, groups)), default=1)
        if join == 1 or narrow == 1:  # engines have depthwise convolutions of their own
            continue
        wide = weight.new_zeros(len(weight), narrow * join, *weight.shape[2:])
        out = len(weight) // groups
        for group in range(groups):
            rows, at = slice(group * out, (group + 1) * out), group % join * narrow
            wide[rows, at : at + narrow] = weight[rows]
        graph.set_conv(node, wide, bias, groups // join)


def _fits(join: int, narrow: int, groups: int) -> bool:
    return groups % join == 0 and join * narrow <= WIDTH


def fill_up(graph: _Constants) -> None:
    """Add zero channels between two convolutions, up to a multiple of WIDTH."""
    for node in graph.convolutions():
        weight, bias, groups = graph.conv(node)
        added = -len(weight) % WIDTH
        if not added or groups > 1 or not _leads_to_convolutions(graph, node):
            continue
        after = list(next(iter(node.users)).users)
        if len(weight) < WIDTH and any(graph.conv(conv)[0].shape[-1] > 1 for conv in after):
            continue
        wider = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, added))
        graph.set_conv(node, wider, F.pad(bias, (0, added)), groups)
        for conv in after:
            weight, bias, groups = graph.conv(conv)
            graph.set_conv(conv, F.pad(weight, (0, 0, 0, 0, 0, added)), bias, groups)


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


def _leads_to_convolutions(graph: _Constants, node: fx.Node) -> bool:
    """Whether only a ReLU takes the output, and only undivided convolutions that ReLU's."""
    users = list(node.users)
    return (
        len(users) == 1
        and users[0].target in (aten.relu.default, aten.relu_.default)
        and all(
            user.target == aten.conv2d.default and graph.conv(user)[2] == 1
            for user in users[0].users
        )
    )
