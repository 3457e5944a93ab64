"""Routers of every kind behind one interface; evaluation, registry, gate and serving know only this one."""

from modelsat.routers.router import Router, Tensors

__all__ = ["Router", "Tensors"]
