import threading

import httpx

from chaos.staging.alert_sink import AlertSink


def test_each_message_is_a_line_of_the_file(tmp_path):
    with AlertSink(0, tmp_path / "alerts.jsonl") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert httpx.get(url, trust_env=False).is_success
        for message in ('{"title": "a"}', '{\n"title": "b"}'):
            assert httpx.post(url, content=message, trust_env=False).is_success
        server.shutdown()
    assert (tmp_path / "alerts.jsonl").read_text().splitlines() == ['{"title": "a"}', '{ "title": "b"}']
