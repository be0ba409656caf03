"""Wires the gateway: config → peers → app → serve, and drains on SIGTERM."""

import asyncio
import logging
import signal
import time

from services.gateway.app import make_app
from services.gateway.config import GatewayConfig
from services.gateway.errors import response_of
from services.gateway.peers import connect_peers
from services.gateway.realtime.socket import Socket
from services.gateway.scaler import serve_scaler
from services.kit import ops, telemetry
from services.kit.config import read_config
from services.kit.errors import Overloaded

log = logging.getLogger("ledge.gateway")


async def serve(config: GatewayConfig) -> int:
    """Serves until SIGTERM or SIGINT; then says it is not ready, settles, and lets requests in flight finish."""
    stopping = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    listener = ops.listen(config.host, config.port, "LEDGE_PORT", client_timeout_s=config.client_timeout_s)
    port = listener.getsockname()[1]
    peers = connect_peers(config)
    scaler, scaler_port = (None, None)
    if config.scaler_port is not None:
        scaler, scaler_port = await serve_scaler(peers.demand, config)
    status = ops.Status("gateway", config)
    app = make_app(config, peers, status)
    server = ops.http_server(
        app,
        drain_s=config.drain_s,
        tls=config,
        client_timeout_s=config.client_timeout_s,
        max_connections=config.max_connections,
        websocket=Socket,
        max_websocket_message_bytes=config.max_realtime_message_bytes,
        is_leaving=stopping.is_set,
        too_many=lambda path: response_of(
            path, Overloaded(f"all {config.max_connections} connections of the gateway are taken", retry_after_s=1)
        ),
    )
    async with app.state.mcp.run():
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        log.info("listening", extra={"port": port, "ops_port": port, "scaler_port": scaler_port})
        status.ready = True
        log.info("ready")
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            log.error("the HTTP server ended by itself", exc_info=serving.exception())
            return 1
        status.ready, status.message = False, "draining"
        log.info("draining")
        await asyncio.sleep(config.settle_s)
        server.should_exit = True
        until_s = time.monotonic() + config.drain_s
        await serving
        await app.state.uploads.close(max(0.0, until_s - time.monotonic()))
    if scaler is not None:
        await scaler.stop(0)
    await peers.close()
    log.info("stopped")
    return 0


def main() -> None:
    config = read_config(GatewayConfig)
    telemetry.set_up("gateway", config.log_level, config.log_format)
    raise SystemExit(asyncio.run(serve(config)))


if __name__ == "__main__":
    main()
