"""Requests that nobody meant: at random, from the OpenAPI document, and from a table of decided answers."""
