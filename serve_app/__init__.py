"""Deployments, HTTP, operations and the command line: everything that speaks to the outside."""
