//! What each operator answers.

use super::{NOW, context, set, told};
use crate::flags::compile::{Compiler, SharedRules};
use crate::flags::problem::Place;
use crate::flags::run::Run;
use crate::flags::value::Value;
use crate::flags::{Bucketing, Json};

/// What a rule evaluates to, as JSON.
fn outcome(rule: &str, data: &str) -> String {
    let shared = SharedRules::new();
    let unit = Compiler::new(&shared).targeting(&Json::parse(rule).unwrap(), &Place::ROOT);
    let context = context(data);
    let run = Run::new("f", context.members(), NOW, Bucketing::V2);
    json(&run.of(&unit.root).unwrap())
}

fn json(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("{:?}", &**text),
        Value::Json(json) => serde_json::to_string(json).unwrap(),
        Value::List(list) => {
            let items: Vec<String> = list.items.iter().map(json).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_text().into_owned(),
    }
}

#[test]
fn operators_answer_as_json_logic_says() {
    let data = r#"{"n":5,"t":"text","z":0,"list":[1,2,3],"names":["ann","bob"],"none":null,
        "user":{"name":"Jane","tags":["x","y"]},"empty":[],"num":"12","umlaut":"grün"}"#;
    for (rule, wanted) in [
        (r#"{"var":"n"}"#, "5"),
        (r#"{"var":["n"]}"#, "5"),
        (r#"{"var":"user.name"}"#, "\"Jane\""),
        (r#"{"var":"user.tags.1"}"#, "\"y\""),
        (r#"{"var":"user.tags.9"}"#, "null"),
        (r#"{"var":["none","else"]}"#, "\"else\""),
        (r#"{"var":{"cat":["user",".","name"]}}"#, "\"Jane\""),
        (r#"{"var":"$flagd.flagKey"}"#, "\"f\""),
        (r#"{"var":"$flagd.timestamp"}"#, "1790000000"),
        (r#"{"missing":["n","no","none"]}"#, r#"["no","none"]"#),
        (r#"{"missing":{"merge":[["n"],["no"]]}}"#, r#"["no"]"#),
        (r#"{"missing_some":[1,["n","no"]]}"#, "[]"),
        (r#"{"missing_some":[2,["n","no"]]}"#, r#"["no"]"#),
        (r#"{"if":[false,"x",true,"y","z"]}"#, "\"y\""),
        (r#"{"if":[false,"x"]}"#, "null"),
        (r#"{"if":[]}"#, "null"),
        (r#"{"==":[1,"1"]}"#, "true"),
        (r#"{"==":[1,true]}"#, "true"),
        (r#"{"==":[0,null]}"#, "false"),
        (r#"{"==":["a","A"]}"#, "false"),
        (r#"{"===":[1,"1"]}"#, "false"),
        (r#"{"===":[1,1.0]}"#, "true"),
        (r#"{"!=":[1,"1"]}"#, "false"),
        (r#"{"!==":[1,"1"]}"#, "true"),
        (r#"{"!":[[]]}"#, "true"),
        (r#"{"!":"0"}"#, "false"),
        (r#"{"!!":[0]}"#, "false"),
        (r#"{"or":[0,"","x"]}"#, "\"x\""),
        (r#"{"and":[1,"",3]}"#, "\"\""),
        (r#"{"<":[1,2,3]}"#, "true"),
        (r#"{"<":[1,3,2]}"#, "false"),
        (r#"{"<=":[1,1,2]}"#, "true"),
        (r#"{">":["b","a"]}"#, "true"),
        (r#"{">":["10",9]}"#, "true"),
        (r#"{">=":["x",1]}"#, "false"),
        (r#"{"max":[1,{"var":"n"},3]}"#, "5"),
        (r#"{"min":[1,"-2"]}"#, "-2"),
        (r#"{"max":[]}"#, "null"),
        (r#"{"+":[1,"2",0.5]}"#, "3.5"),
        (r#"{"+":"3"}"#, "3"),
        (r#"{"-":2}"#, "-2"),
        (r#"{"-":[5,3]}"#, "2"),
        (r#"{"*":[2,3,4]}"#, "24"),
        (r#"{"/":[1,4]}"#, "0.25"),
        (r#"{"/":[1,{"var":"z"}]}"#, "null"),
        (r#"{"%":[1,{"var":"z"}]}"#, "null"),
        (r#"{"%":[7,3]}"#, "1"),
        (r#"{"*":[1e308,10]}"#, "null"),
        (r#"{"+":["x",1]}"#, "null"),
        (r#"{"map":[{"var":"list"},{"*":[{"var":""},2]}]}"#, "[2,4,6]"),
        (r#"{"filter":[{"var":"list"},{">":[{"var":""},1]}]}"#, "[2,3]"),
        (r#"{"reduce":[{"var":"list"},{"+":[{"var":"current"},{"var":"accumulator"}]},10]}"#, "16"),
        (r#"{"all":[{"var":"list"},{">":[{"var":""},0]}]}"#, "true"),
        (r#"{"all":[{"var":"empty"},true]}"#, "false"),
        (r#"{"none":[{"var":"empty"},true]}"#, "true"),
        (r#"{"some":[{"var":"names"},{"==":[{"var":""},"bob"]}]}"#, "true"),
        (r#"{"some":[{"var":"names"},{"var":"$flagd.flagKey"}]}"#, "false"),
        (r#"{"map":[{"var":"n"},1]}"#, "[]"),
        (r#"{"merge":[[1,2],3,[4]]}"#, "[1,2,3,4]"),
        (r#"{"in":["ex",{"var":"t"}]}"#, "true"),
        (r#"{"in":["bob",{"var":"names"}]}"#, "true"),
        (r#"{"in":["2",{"var":"list"}]}"#, "false"),
        (r#"{"in":[{"var":"t"},["a","b","c","d","e","f","g","h","text"]]}"#, "true"),
        (r#"{"in":[{"var":"n"},["a","b","c","d","e","f","g","h","5"]]}"#, "false"),
        (r#"{"cat":["a",1,null,true,[1,2]]}"#, "\"a1true1,2\""),
        (r#"{"substr":["jsonlogic",4]}"#, "\"logic\""),
        (r#"{"substr":["jsonlogic",-5]}"#, "\"logic\""),
        (r#"{"substr":["jsonlogic",1,3]}"#, "\"son\""),
        (r#"{"substr":["jsonlogic",4,-2]}"#, "\"log\""),
        (r#"{"substr":[{"var":"umlaut"},2,1]}"#, "\"ü\""),
        (r#"{"substr":["abc",-99,99]}"#, "\"abc\""),
        (r#"{"log":"x"}"#, "\"x\""),
        (r#"{"starts_with":["abc","ab"]}"#, "true"),
        (r#"{"ends_with":["abc","ab"]}"#, "false"),
        (r#"{"ends_with":["abc",1]}"#, "null"),
        (r#"{"sem_ver":["1.2.3","^","1.0.0"]}"#, "true"),
        (r#"{"sem_ver":["1.2.3","~","1.0.0"]}"#, "false"),
    ] {
        assert_eq!(outcome(rule, data), wanted, "{rule}");
    }
}

#[test]
fn what_targeting_answers_becomes_a_variant() {
    let flags = |targeting: &str| {
        set(&format!(
            r#"{{"flags":{{"f":{{"state":"ENABLED","defaultVariant":"b","targeting":{targeting},
                "variants":{{"true":1,"b":null,"7":{{"x":1.50}},"1.5":[1]}}}}}}}}"#
        ))
    };
    for (targeting, wanted) in [
        ("{}", "null b STATIC"),
        ("null", "null b STATIC"),
        (r#"{"==":[1,1]}"#, "1 true TARGETING_MATCH"),
        (r#"{"+":[3,4]}"#, r#"{"x":1.5} 7 TARGETING_MATCH"#),
        (r#"{"/":[3,2]}"#, "[1] 1.5 TARGETING_MATCH"),
        (r#"{"var":"no"}"#, "null b DEFAULT"),
        (r#"{"==":[1,2]}"#, "ERROR GENERAL"),
        (r#"{"merge":["true"]}"#, "ERROR GENERAL"),
        (r#"{"no_such":[1]}"#, "ERROR PARSE_ERROR"),
        // What is broken does not matter where the evaluation does not go.
        (r#"{"if":[true,"b",{"no_such":1}]}"#, "null b TARGETING_MATCH"),
    ] {
        let flags = flags(targeting);
        assert_eq!(told(&flags.evaluate("f", &context("{}"), NOW)), wanted, "{targeting}");
    }
}
