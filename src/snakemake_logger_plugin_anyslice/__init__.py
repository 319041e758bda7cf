"""Snakemake finds a logger by its package's name; this one is `anyslice.pipeline.terminal`."""

from anyslice.pipeline.terminal import LogHandler

__all__ = ["LogHandler"]
