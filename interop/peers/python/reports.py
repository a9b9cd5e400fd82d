"""Load reports (gRFC A51), which grpcio leaves to whoever uses it."""
from xds.data.orca.v3 import orca_load_report_pb2

TRAILER = "endpoint-load-metrics-bin"


def load_report(wanted):
    """The report that a request asks for."""
    return orca_load_report_pb2.OrcaLoadReport(
        cpu_utilization=wanted.cpu_utilization,
        mem_utilization=wanted.memory_utilization,
        request_cost=wanted.request_cost,
        utilization=wanted.utilization,
    )
