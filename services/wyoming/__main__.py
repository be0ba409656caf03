"""Wires the wyoming door: config → peers → listener → serve, and drains on SIGTERM."""

import asyncio
import logging
import signal

from services.kit import ops, telemetry
from services.kit.config import read_config
from services.wyoming.config import WyomingConfig
from services.wyoming.listener import Listener
from services.wyoming.peers import connect_peers

log = logging.getLogger("ledge.wyoming")


async def serve(config: WyomingConfig) -> int:
    """Serves until SIGTERM or SIGINT; then says it is not ready, settles, and lets what is being done end."""
    stopping = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    status = ops.Status("wyoming", config)
    ops_socket = ops.listen(config.host, config.ops_port, "LEDGE_OPS_PORT")
    socket = ops.listen(config.host, config.port, "LEDGE_PORT", client_timeout_s=config.client_timeout_s)
    http = ops.http_server(ops.ops_app(status), tls=config if config.ops_tls else None, ask_for_certificates=False)
    managing = asyncio.create_task(http.serve(sockets=[ops_socket]))
    peers = connect_peers(config)
    listener = Listener(peers, config)
    await listener.start(socket)
    log.info("listening", extra={"port": socket.getsockname()[1], "ops_port": ops_socket.getsockname()[1]})
    status.ready = True
    log.info("ready")
    await stopping.wait()
    status.ready, status.message = False, "draining"
    log.info("draining")
    await asyncio.sleep(config.settle_s)
    await listener.stop(config.drain_s)
    await peers.close()
    http.should_exit = True
    await managing
    log.info("stopped")
    return 0


def main() -> None:
    config = read_config(WyomingConfig)
    telemetry.set_up("wyoming", config.log_level, config.log_format)
    raise SystemExit(asyncio.run(serve(config)))


if __name__ == "__main__":
    main()
