//! Outgoing HTTP requests: which are sent, and which Python code answers.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::asked::Asked;
use super::owner::Slot;
use super::source::to_bytes;
use crate::errors::expected;
use crate::numbers;

/// Hosts that requests may go to.
#[derive(Clone)]
pub(super) struct HostPattern {
    /// `None`: http and https.
    scheme: Option<Scheme>,
    /// The name in lower case; with a dot first for the names that end so.
    host: String,
    /// `None`: the scheme's own.
    port: Option<u16>,
}

impl HostPattern {
    pub(super) fn parse(value: &Bound<'_, PyAny>) -> PyResult<HostPattern> {
        let text = value.cast::<PyString>().map_err(|_| expected("a str as an item of http_hosts", value))?.to_str()?;
        let wrong = || {
            PyValueError::new_err(format!(
                "expected a host like \"example.com\", \"*.example.com\", \"127.0.0.1:8080\" or \"https://example.com\" \
                in http_hosts, got {text:?}"
            ))
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::HTTP), rest),
            Some(("https", rest)) => (Some(Scheme::HTTPS), rest),
            Some(_) => return Err(wrong()),
            None => (None, text),
        };
        let (prefix, name) = match rest.strip_prefix("*.") {
            Some(name) => (".", name),
            None => ("", rest),
        };
        let authority: Authority = name.parse().map_err(|_| wrong())?;
        let host = authority.host();
        let port = match name.strip_prefix(host).ok_or_else(wrong)? {
            "" => None,
            port => Some(port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or_else(wrong)?),
        };
        if host.is_empty() || host.contains(['*', '%']) {
            return Err(wrong());
        }
        Ok(HostPattern { scheme, host: format!("{prefix}{}", host.to_ascii_lowercase()), port })
    }

    fn permits(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
        let own_port = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let name = authority.host().to_ascii_lowercase();
        let named = if self.host.starts_with('.') { name.ends_with(&self.host) } else { name == self.host };
        named
            && self.scheme.as_ref().is_none_or(|wanted| wanted == scheme)
            && authority.port_u16().unwrap_or(own_port) == self.port.unwrap_or(own_port)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{}", if self.host.starts_with('.') { "*" } else { "" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What becomes of the requests of one store: by default they are refused.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(super) hosts: Vec<HostPattern>,
    pub(super) handler: Option<Arc<Slot>>,
    pub(super) max_request_body: usize,
    pub(super) asked: Asked,
}

impl Hooks {
    /// Whether not all requests are refused.
    pub(crate) fn allow_any(&self) -> bool {
        !self.hosts.is_empty() || self.handler.is_some()
    }
}

/// A response, and what goes on while its body is read.
type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if self.hosts.iter().any(|host| host.permits(request.uri())) {
            return Box::new(send(request, options));
        }
        match &self.handler {
            Some(handler) => {
                Box::new(ask(handler.clone(), self.asked.clone(), self.max_request_body, request, options))
            }
            None => Box::new(async { Err(Error::HttpRequestDenied) }),
        }
    }
}

async fn send(request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
    let (response, connection) = default_send_request(request, options).await?;
    Ok((response.map(BodyExt::boxed_unsync), Box::new(connection)))
}

/// Has the handler decide, once it can see the whole request.
async fn ask(
    handler: Arc<Slot>,
    asked: Asked,
    max_body: usize,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Sent {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, max_body).collect().await.map_err(|error| body_error(error, max_body))?.to_bytes();
    match asked.ask(move |py| consult(py, &handler, &parts, &body), decide).await {
        Some(Decision::Respond(response)) => Ok((response, Box::new(async { Ok(()) }))),
        Some(Decision::Send(request)) => send(request, options).await,
        Some(Decision::Refuse) => Err(Error::HttpRequestDenied),
        // The handler raised an exception, which ends the call of the guest.
        None => Err(Error::InternalError(None)),
    }
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>, max_body: usize) -> Error {
    if error.is::<LengthLimitError>() {
        return Error::HttpRequestBodySize(Some(max_body as u64));
    }
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::InternalError(Some(error.to_string())),
    }
}

enum Decision {
    Respond(Response<WasiBody>),
    Send(Request<WasiBody>),
    Refuse,
}

fn consult<'py>(py: Python<'py>, handler: &Slot, parts: &request::Parts, body: &Bytes) -> PyResult<Bound<'py, PyAny>> {
    let request_class = py.import("ferrowasm._http")?.getattr("HttpRequest")?;
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != HOST)
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let arguments = (parts.method.as_str(), parts.uri.to_string(), headers, PyBytes::new(py, body));
    handler.get(py)?.call1((request_class.call1(arguments)?,))
}

fn decide(answer: &Bound<'_, PyAny>) -> PyResult<Decision> {
    let module = answer.py().import("ferrowasm._http")?;
    if answer.is_none() {
        Ok(Decision::Refuse)
    } else if answer.is_instance(&module.getattr("HttpResponse")?)? {
        response(answer).map(Decision::Respond)
    } else if answer.is_instance(&module.getattr("HttpRequest")?)? {
        request(answer).map(Decision::Send)
    } else {
        Err(expected("an HttpResponse, an HttpRequest or None from http_handler", answer))
    }
}

/// The value of a header as text: each byte is a character, as everywhere in Python's HTTP.
fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

fn response(answer: &Bound<'_, PyAny>) -> PyResult<Response<WasiBody>> {
    let status = answer.getattr("status")?;
    let number = numbers::wide(&status, "the status of an HttpResponse")?;
    let code = u16::try_from(number).ok().and_then(|number| http::StatusCode::from_u16(number).ok());
    let code = code.ok_or_else(|| {
        PyValueError::new_err(format!("expected a status from 100 to 999 in an HttpResponse, got {number}"))
    })?;
    let mut response = Response::new(body(answer, "HttpResponse")?);
    *response.status_mut() = code;
    *response.headers_mut() = headers(answer)?;
    Ok(response)
}

fn request(answer: &Bound<'_, PyAny>) -> PyResult<Request<WasiBody>> {
    let url: String = answer.getattr("url")?.extract()?;
    let method: String = answer.getattr("method")?.extract()?;
    let wrong_url = || PyValueError::new_err(format!("expected an http or https URL in an HttpRequest, got {url:?}"));
    let uri: Uri = url.parse().map_err(|_| wrong_url())?;
    let authority = uri.authority().ok_or_else(wrong_url)?;
    if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        return Err(wrong_url());
    }
    let method = method
        .parse()
        .map_err(|_| PyValueError::new_err(format!("expected an HTTP method in an HttpRequest, got {method:?}")))?;
    let mut headers = headers(answer)?;
    if !headers.contains_key(HOST) {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| wrong_url())?);
    }
    // The body tells its length.
    headers.remove(CONTENT_LENGTH);
    let mut request = Request::new(body(answer, "HttpRequest")?);
    *request.uri_mut() = uri;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    Ok(request)
}

fn body(message: &Bound<'_, PyAny>, class: &str) -> PyResult<WasiBody> {
    let body = message.getattr("body")?;
    let bytes =
        to_bytes(&body)?.ok_or_else(|| expected(&format!("a bytes-like object as the body of an {class}"), &body))?;
    Ok(Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

fn headers(message: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in message.getattr("headers")?.try_iter()? {
        let (name, value): (String, String) = pair?
            .extract()
            .map_err(|_| PyTypeError::new_err("expected headers to be pairs of str, a name and a value"))?;
        let parsed = HeaderName::try_from(&name).ok().zip(header_value(&value));
        let (name, value) = parsed.ok_or_else(|| {
            PyValueError::new_err(format!("expected the name and value of an HTTP header, got {name:?}: {value:?}"))
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The opposite of `text`.
fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}
