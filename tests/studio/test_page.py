"""The page as a whole: its endpoints, its tools for language models, and that it needs no network."""

import asyncio
import base64
import json
import os
import re
from collections.abc import Callable
from typing import Any

import gradio as gr
import httpx

from atvg.studio.settings import PAGE, asset

ENDPOINTS = {
    "/check_face", "/check_voice", "/say", "/animate", "/look_inside", "/trajectory", "/ablate", "/compare",
    "/break_it", "/show_failures", "/live_start", "/live", "/live_stop", "/convert", "/dub",
}  # fmt: skip


def test_every_action_is_an_endpoint_that_explains_itself(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == ENDPOINTS
    for name, endpoint in endpoints.items():
        assert len(endpoint["description"]) > 40, name
        for value in endpoint["parameters"] + endpoint["returns"]:
            assert value["label"] and not re.fullmatch(r"(value|parameter)_\d+", value["label"]), name
    for name in ("/animate", "/dub", "/ablate", "/compare", "/break_it", "/show_failures", "/live_start"):
        assert "may use this face" in endpoints[name]["description"], f"{name} does not speak of consent"


def test_only_photo_and_audio_must_be_given(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/animate"]["parameters"]]
    assert names[:2] == [("photo", False), ("audio", False)]
    assert all(default for _, default in names[2:])
    assert [name for name, _ in names[-5:]] == ["teeth", "ear", "start", "end", "liveliness"], "new ones come last"
    checked = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/check_face"]["parameters"]]
    assert checked == [("photo", False), ("box", True), ("points", True)]


def test_the_page_needs_no_network_and_sends_nothing(page):
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and page.analytics_enabled is False
    addresses = re.findall(r"url\(['\"]?([^'\")]{5})", page.theme_css + asset("style.css"))
    assert not page.theme._stylesheets and set(addresses) <= {"data:"}


def test_examples_outlive_the_cache(page, cache):
    """`Guests.tidy` deletes what lies in Gradio's folder, also copies of examples: they must not be copies."""
    datasets = [c["props"] for c in page.config["components"] if c["type"] == "dataset"]
    assert len(datasets) == 2
    assert str(cache) not in json.dumps([props["samples"] for props in datasets])


def test_beta_says_what_it_does(page):
    info = next(c["props"]["info"] for c in page.config["components"] if "β" in str(c["props"].get("label")))
    assert "no effect" in info or "interpolated" in info
    assert "{" not in info
    assert "0.1, 0.5" in PAGE["beta_family"].format("0.1, 0.5")


def test_nobody_gets_past_the_queue(page):
    answer = httpx.post(f"{page.local_url}gradio_api/run/animate", json={"data": [None, None]})
    assert answer.status_code == 404


class TestMCP:
    """The same actions as tools for language models."""

    def test_every_action_is_a_tool_with_described_parameters(self, page):
        for tool in _mcp(page, lambda session: session.list_tools()).tools:
            assert f"/{tool.name}" in ENDPOINTS and len(tool.description) > 40
            undescribed = [n for n, p in tool.inputSchema["properties"].items() if not p.get("description")]
            assert not undescribed, f"{tool.name}: {undescribed}"

    def test_a_tool_works(self, page, astronaut_path):
        photo = f"data:image/png;base64,{base64.b64encode(astronaut_path.read_bytes()).decode()}"
        result = _mcp(page, lambda session: session.call_tool("check_face", {"photo": photo}))
        assert not result.isError and "Face found" in result.content[0].text

    def test_all_who_come_by_it_are_one_visitor(self, page, astronaut_path, monkeypatch):
        """As SECURITY.md says; if Gradio tells them apart one day, that is to be corrected."""
        came: list[str] = []
        may_use = page.guests.may_use

        def watch(request: gr.Request, *uploads: Any) -> bool:
            came.append(request.session_hash)
            return may_use(request, *uploads)

        monkeypatch.setattr(page.guests, "may_use", watch)
        photo = f"data:image/png;base64,{base64.b64encode(astronaut_path.read_bytes()).decode()}"
        for _ in range(2):
            _mcp(page, lambda session: session.call_tool("check_face", {"photo": photo}))
        assert len(came) >= 2 and len(set(came)) == 1 and came[0]


def _mcp(page: Any, ask: Callable[[Any], Any]) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk() -> Any:
        address = f"{page.local_url}gradio_api/mcp/"
        async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await ask(session)

    return asyncio.run(talk())
