//! §4, named ports.

use super::{api, under};

#[test]
fn the_worked_example_of_two_pods_that_put_different_numbers_behind_one_name() {
    api("allow egress to pods [app=web] ports http/TCP")
        .allows(&["shop/api -> shop/web-a 8080/TCP", "shop/api -> shop/web-b 80/TCP"])
        .denies(&[
            "shop/api -> shop/web-a 80/TCP",
            "shop/api -> shop/web-b 8080/TCP",
            "shop/api -> pay/till 9999/TCP",
            "shop/api -> shop/web-a 9999/TCP",
        ]);
    // A deny is not skipped either.
    under(
        "policy CiliumNetworkPolicy shop/a on pods [ns=shop, app=api] applies egress {\n\
           deny egress to pods [app=web] ports http/TCP\n}",
    )
    .denies(&["shop/api -> shop/web-a 8080/TCP", "shop/api -> shop/web-b 80/TCP"])
    .allows(&["shop/api -> shop/web-a 80/TCP", "shop/api -> shop/web-b 8080/TCP"]);
}

#[test]
fn at_ingress_a_name_stands_for_the_subjects_own_numbers() {
    under("policy NetworkPolicy shop/a on pods [ns=shop, app=web] denies ingress {\nallow ingress ports http/TCP\n}")
        .allows(&["pay/till -> shop/web-a 8080/TCP", "203.0.113.9 -> shop/web-b 80/TCP"])
        .denies(&[
            "pay/till -> shop/web-a 80/TCP",
            "pay/till -> shop/web-b 8080/TCP",
            "pay/till -> shop/web-a 9999/TCP",
        ]);
}

#[test]
fn at_egress_the_subjects_own_numbers_do_not_count() {
    under("policy NetworkPolicy shop/a on pods [ns=shop, app=web] denies egress {\nallow egress ports http/TCP\n}")
        .allows(&["shop/web-a -> pay/till 9999/TCP", "shop/web-a -> shop/web-b 80/TCP"])
        .denies(&["shop/web-a -> pay/till 8080/TCP", "shop/web-a -> shop/web-b 8080/TCP"]);
}

#[test]
fn sidecars_count_and_other_init_containers_do_not() {
    api("allow egress to pods [app=mesh] ports http/TCP")
        .allows(&["shop/api -> ops/mesh 15001/TCP"])
        .denies(&["shop/api -> ops/mesh 1/TCP"]);
}

#[test]
fn the_names_protocol_must_be_the_rules_and_any_is_each_that_the_pod_defines() {
    api("allow egress to pods [app=web] ports dns/UDP")
        .allows(&["shop/api -> shop/web-a 53/UDP"])
        .denies(&[
            "shop/api -> shop/web-a 53/TCP",
            "shop/api -> shop/web-b 5353/UDP",
            "shop/api -> shop/web-b 5353/TCP",
        ]);
    api("allow egress to pods [app=web] ports dns/ANY")
        .allows(&["shop/api -> shop/web-a 53/UDP", "shop/api -> shop/web-b 5353/TCP"])
        .denies(&["shop/api -> shop/web-a 53/TCP", "shop/api -> shop/web-b 5353/UDP"]);
}

#[test]
fn names_are_compared_without_case() {
    api("allow egress to pods [app=web] ports DNS/TCP").allows(&["shop/api -> shop/web-b 5353/TCP"]);
}

#[test]
fn all_numbers_of_a_name_that_a_pod_defines_several_times_count() {
    api("allow egress to pods [app=db] ports sql/TCP")
        .allows(&["shop/api -> pay/db 5432/TCP", "shop/api -> pay/db 5433/TCP"])
        .denies(&["shop/api -> pay/db 5434/TCP"]);
}

#[test]
fn a_peer_without_container_ports_matches_no_name() {
    let case = api("allow egress ports http/TCP");
    for port in [80, 8080, 9100] {
        for peer in [
            "203.0.113.9",
            "node n1",
            "ops/agent",
            "192.168.77.1",
            "some-node",
            "ops/pending",
        ] {
            case.denies(&[&format!("shop/api -> {peer} {port}/TCP")]);
        }
    }
    api("allow ingress ports http/TCP").denies(&["pay/till -> shop/api 80/TCP"]);
}
