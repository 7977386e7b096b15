"""Servers, services and clients for the black-box tests."""
