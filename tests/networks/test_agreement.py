"""Our blocks against torchvision's, where the architectures coincide."""

import torch
from torch import nn
from torchvision.models import densenet as tv_densenet
from torchvision.models import resnet as tv_resnet

from anyslice.networks import build
from anyslice.networks.densenet import DenseLayer, Transition
from anyslice.networks.resnet import BasicBlock
from anyslice.networks.resnext import Block


def random_norms(module: nn.Module) -> None:
    """Weights and statistics that a mistaken order of BN layers could not survive."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensor.data.uniform_(0.5, 1.5)


def identity(norm: nn.BatchNorm2d) -> None:
    """Make a BN layer in eval mode give back its input."""
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)
    norm.reset_running_stats()
    norm.eps = 0.0


def test_resnext_block():
    """Theirs is relu(x + bn(conv(...))), ours x + conv(relu(bn(...))): the same function once the
    outer BN layers are the identity, the input is not negative and ours is rectified."""
    W, B, C = 32, 2, 4
    ours = Block(W, B, C, 1, "independent").eval()
    theirs = tv_resnet.Bottleneck(W, planes=W // 4, groups=C, base_width=64 * B * 4 // W).eval()
    random_norms(ours)
    identity(ours.norm1.of(1))
    identity(theirs.bn3)
    theirs.conv1.load_state_dict(ours.conv1.state_dict())
    theirs.conv2.load_state_dict(ours.conv2.state_dict())
    theirs.conv3.load_state_dict(ours.conv3.state_dict())
    theirs.bn1.load_state_dict(ours.norm2.of(1).state_dict())
    theirs.bn2.load_state_dict(ours.norm3.of(1).state_dict())
    x = torch.rand(2, W, 6, 6)
    torch.testing.assert_close(ours(x, 1).relu(), theirs(x))


def test_resnet_block():
    ours, theirs = BasicBlock(8, 8, stride=1).eval(), tv_resnet.BasicBlock(8, 8).eval()
    random_norms(ours)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_resnet_block_that_halves_the_resolution():
    """Type-A shortcuts: every second pixel, and zero channels."""
    ours = BasicBlock(4, 8, stride=2).eval()
    shortcut = nn.Conv2d(4, 8, 1, stride=2, bias=False)
    with torch.no_grad():
        shortcut.weight.copy_(torch.eye(8, 4)[:, :, None, None])
    theirs = tv_resnet.BasicBlock(4, 8, stride=2, downsample=shortcut).eval()
    random_norms(ours)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_densenet_layer():
    ours = DenseLayer(10, growth=4).eval()
    theirs = tv_densenet._DenseLayer(10, growth_rate=4, bn_size=4, drop_rate=0.0).eval()
    random_norms(ours)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 10, 6, 6)
    torch.testing.assert_close(ours(x), torch.cat([x, theirs(x)], dim=1))


def test_densenet_transition():
    ours, theirs = Transition(10, 5).eval(), tv_densenet._Transition(10, 5).eval()
    random_norms(ours)
    names = {"0": "norm", "2": "conv"}
    theirs.load_state_dict(
        {names[key[0]] + key[1:]: value for key, value in ours.state_dict().items()}
    )
    x = torch.randn(2, 10, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_torchvision_networks_are_torchvisions():
    network = build("torchvision", arch="resnet18", classes=10, image_size=64).eval()
    x = torch.randn(1, 3, 64, 64)
    expected = network.model(x)
    assert network.K == 1
    torch.testing.assert_close(network(x)[0], expected)
    torch.testing.assert_close(network.subnetwork(1)(x), expected)
