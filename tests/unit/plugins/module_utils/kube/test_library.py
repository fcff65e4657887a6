# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube import library

BEFORE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("library", sys.argv[1])
library = module_from_spec(spec)
spec.loader.exec_module(library)
"""


def told(program):
    """What a new process prints, for what is loaded here was loaded by others."""
    command = [sys.executable, "-c", BEFORE + program, library.__file__]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_no_model_is_loaded_and_no_name_is_kept():
    assert told(
        """
loaded = []
sys.addaudithook(lambda event, args: loaded.append(args[0]) if event == "import" else None)
library.library().Configuration()
print([name for name in loaded if name.startswith("kubernetes.client.models")])
print([name for name in sys.modules if name.split(".")[0] == "kubernetes"])
"""
    ) == ["[]", "[]"]


def test_who_imports_the_library_later_gets_all_of_it():
    assert told(
        """
library.library()
import kubernetes.client
from kubernetes.stream import ws_client
print(kubernetes.client.V1Pod.__name__, kubernetes.config.load_kube_config.__name__, bool(ws_client))
"""
    ) == ["V1Pod", "load_kube_config", "True"]


def test_what_is_loaded_already_is_used():
    assert told(
        """
import kubernetes
print(library.library().Configuration is kubernetes.client.Configuration)
print(library.library().config is kubernetes.config)
"""
    ) == ["True", "True"]


@pytest.mark.parametrize("wanting", ["ImportError", "AttributeError"])
def test_a_library_that_needs_more_of_its_packages_is_loaded_whole(wanting):
    assert told(
        f"wanting = {wanting}"
        """
def refused(places):
    raise wanting("Something is not there")
library._between_empty_packages = refused
library.library()
print("kubernetes.client.models" in sys.modules)
"""
    ) == ["True"]


def test_a_refresh_of_a_token_gets_the_client_of_the_library():
    assert told(
        """
made = library.library()
print(type(made.config.kube_config.ApiClient(configuration=made.Configuration())).__module__)
"""
    ) == ["kubernetes.client.api_client"]
