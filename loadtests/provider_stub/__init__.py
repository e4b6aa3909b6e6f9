"""A stub of OpenAI and Gemini: their wire, their prefix caching, their faults, and a model that copies words."""

from loadtests.provider_stub.app import Stub
from loadtests.provider_stub.config import StubConfig
from loadtests.provider_stub.server import Served, in_process_of_its_own, serving

__all__ = ["Served", "Stub", "StubConfig", "in_process_of_its_own", "serving"]
