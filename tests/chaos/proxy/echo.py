"""An echo server in a thread: it sends every byte back, and closes when its client has."""

import socketserver
import threading


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while part := self.request.recv(65_536):
                self.request.sendall(part)
        except ConnectionError:
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Echo:
    """The server while the block runs; `port` is its loopback port."""

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
