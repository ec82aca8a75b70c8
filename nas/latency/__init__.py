"""Measured latency: of a network, of its blocks, and the sum of these as a cost that a search knows. docs/latency.md"""
