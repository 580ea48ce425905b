//! The messages of `grpc.testing` and of ORCA, with the fields that the cases use.

use std::collections::BTreeMap;

/// Nothing.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
#[message(prost)]
pub struct Empty {}

/// A boolean that may be unsaid.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct BoolValue {
    /// It.
    #[prost(bool, tag = "1")]
    pub value: bool,
}

/// Bytes of no meaning.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Payload {
    /// Always 0: what can be compressed.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// They.
    #[prost(bytes = "vec", tag = "2")]
    pub body: Vec<u8>,
}

impl Payload {
    /// A number of zeros, as every case wants them; none for a negative number.
    pub fn zeros(size: i32) -> Self {
        let size = usize::try_from(size).unwrap_or_default();
        Payload {
            kind: 0,
            body: vec![0; size],
        }
    }
}

/// A status that is to be answered.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct EchoStatus {
    /// The number of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Any text.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A request for one answer.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct SimpleRequest {
    /// How large the answer is to be.
    #[prost(int32, tag = "2")]
    pub response_size: i32,
    /// Something to carry.
    #[prost(message, optional, tag = "3")]
    pub payload: Option<Payload>,
    /// Whether the answer is to be compressed.
    #[prost(message, optional, tag = "6")]
    pub response_compressed: Option<BoolValue>,
    /// An error to answer with.
    #[prost(message, optional, tag = "7")]
    pub response_status: Option<EchoStatus>,
    /// Whether this message is compressed.
    #[prost(message, optional, tag = "8")]
    pub expect_compressed: Option<BoolValue>,
    /// Whether the server is to name itself.
    #[prost(bool, tag = "9")]
    pub fill_server_id: bool,
    /// What the server is to report with the answer.
    #[prost(message, optional, tag = "11")]
    pub orca_per_query_report: Option<TestOrcaReport>,
}

/// An answer.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct SimpleResponse {
    /// As large as was asked for.
    #[prost(message, optional, tag = "1")]
    pub payload: Option<Payload>,
    /// The server's name, if it was asked for.
    #[prost(string, tag = "4")]
    pub server_id: String,
}

/// One of a stream of requests.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct StreamingInputCallRequest {
    /// Something to carry.
    #[prost(message, optional, tag = "1")]
    pub payload: Option<Payload>,
    /// Whether this message is compressed.
    #[prost(message, optional, tag = "2")]
    pub expect_compressed: Option<BoolValue>,
}

/// The answer to a stream of requests.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct StreamingInputCallResponse {
    /// Bytes of all payloads together.
    #[prost(int32, tag = "1")]
    pub aggregated_payload_size: i32,
}

/// One of the answers that are wanted.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct ResponseParameters {
    /// Bytes of its payload.
    #[prost(int32, tag = "1")]
    pub size: i32,
    /// Microseconds to wait before it.
    #[prost(int32, tag = "2")]
    pub interval_us: i32,
    /// Whether it is to be compressed.
    #[prost(message, optional, tag = "3")]
    pub compressed: Option<BoolValue>,
}

/// A request for a stream of answers.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct StreamingOutputCallRequest {
    /// The answers.
    #[prost(message, repeated, tag = "2")]
    pub response_parameters: Vec<ResponseParameters>,
    /// Something to carry.
    #[prost(message, optional, tag = "3")]
    pub payload: Option<Payload>,
    /// An error to end with.
    #[prost(message, optional, tag = "7")]
    pub response_status: Option<EchoStatus>,
    /// What the server is to report from now on.
    #[prost(message, optional, tag = "8")]
    pub orca_oob_report: Option<TestOrcaReport>,
}

/// One of a stream of answers.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct StreamingOutputCallResponse {
    /// As large as was asked for.
    #[prost(message, optional, tag = "1")]
    pub payload: Option<Payload>,
}

/// What a server is to report of its load.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct TestOrcaReport {
    /// Of the processors.
    #[prost(double, tag = "1")]
    pub cpu_utilization: f64,
    /// Of the memory.
    #[prost(double, tag = "2")]
    pub memory_utilization: f64,
    /// What the call cost, by name.
    #[prost(btree_map = "string, double", tag = "3")]
    pub request_cost: BTreeMap<String, f64>,
    /// Of other things, by name.
    #[prost(btree_map = "string, double", tag = "4")]
    pub utilization: BTreeMap<String, f64>,
}

/// `xds.data.orca.v3.OrcaLoadReport`: a server's load, as it reports it.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct OrcaLoadReport {
    /// Of the processors.
    #[prost(double, tag = "1")]
    pub cpu_utilization: f64,
    /// Of the memory.
    #[prost(double, tag = "2")]
    pub mem_utilization: f64,
    /// What the call cost, by name.
    #[prost(btree_map = "string, double", tag = "4")]
    pub request_cost: BTreeMap<String, f64>,
    /// Of other things, by name.
    #[prost(btree_map = "string, double", tag = "5")]
    pub utilization: BTreeMap<String, f64>,
}

impl From<TestOrcaReport> for OrcaLoadReport {
    fn from(report: TestOrcaReport) -> Self {
        OrcaLoadReport {
            cpu_utilization: report.cpu_utilization,
            mem_utilization: report.memory_utilization,
            request_cost: report.request_cost,
            utilization: report.utilization,
        }
    }
}

/// `xds.service.orca.v3.OrcaLoadReportRequest`: asks for reports again and again.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct OrcaLoadReportRequest {
    /// The time between them.
    #[prost(message, optional, tag = "1")]
    pub report_interval: Option<Interval>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Interval {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Billionths of one, beside them.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}
