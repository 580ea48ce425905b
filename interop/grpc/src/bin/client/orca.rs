//! Reports of a server's load: with each answer, and by themselves.

use std::{collections::BTreeMap, time::Duration};

use micro::{Reply, Streaming};
use micro_rs_interop_grpc::{
    ORCA,
    base64::base64,
    messages::{
        Interval, OrcaLoadReport, OrcaLoadReportRequest, SimpleRequest, SimpleResponse,
        StreamingOutputCallRequest, TestOrcaReport,
    },
};
use prost::Message as _;

use crate::{
    streams,
    subject::{Checked, Subject, same},
};

fn report(cpu: f64, memory: f64, utilization: f64) -> TestOrcaReport {
    TestOrcaReport {
        cpu_utilization: cpu,
        memory_utilization: memory,
        request_cost: BTreeMap::new(),
        utilization: BTreeMap::from([("util".into(), utilization)]),
    }
}

pub(super) async fn per_call(subject: &Subject) -> Checked {
    let mut report = report(0.8210, 0.5847, 0.30499);
    report.request_cost.insert("cost".into(), 3456.32);
    let request = SimpleRequest {
        orca_per_query_report: Some(report.clone()),
        ..SimpleRequest::default()
    };
    let reply: Reply<SimpleResponse> = subject.call("UnaryCall", request).await?;
    let said = reply.metadata().get(&format!("trailer-{ORCA}"));
    let said = said.map(|said| said.trim_end_matches('='));
    let should = base64(&OrcaLoadReport::from(report).encode_to_vec());
    same("the report", said, Some(should.as_str()))
}

pub(super) async fn out_of_band(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::channel(1);
    let call = subject.call("FullDuplexCall", requests);
    let first = report(0.8210, 0.5847, 0.30499);
    let mut answers = streams::begin(call, &sender, reporting(&first)).await?;
    streams::answer(&mut answers, 1).await?;
    let interval = Interval {
        seconds: 1,
        nanos: 0,
    };
    let asked = OrcaLoadReportRequest {
        report_interval: Some(interval),
    };
    let method = "OpenRcaService.StreamCoreMetrics";
    let call = subject.of("xds.service.orca.v3", method, asked);
    let mut reports: Streaming<OrcaLoadReport> = call.await?;
    is_reported(&mut reports, first).await?;
    let second = report(0.29309, 0.2, 0.2039);
    sender.send(reporting(&second)).await?;
    streams::answer(&mut answers, 1).await?;
    is_reported(&mut reports, second).await?;
    drop(sender);
    streams::end(&mut answers).await
}

fn reporting(report: &TestOrcaReport) -> StreamingOutputCallRequest {
    let mut request = streams::request(0, 1);
    request.payload = None;
    request.orca_oob_report = Some(report.clone());
    request
}

/// Waits for a report that says this.
async fn is_reported(reports: &mut Streaming<OrcaLoadReport>, should: TestOrcaReport) -> Checked {
    let should = OrcaLoadReport::from(should);
    let reported = async {
        loop {
            match reports.next().await.transpose()? {
                Some(report) if report == should => return Ok(()),
                Some(_) => {}
                None => return Err("the reports ended".into()),
            }
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, reported)
        .await
        .unwrap_or_else(|_| Err(format!("it was not reported within {limit:?}").into()))
}
