//! Policies to measure with, as text.

/// A policy as repositories have them: about one application, in one of many namespaces of eight.
pub(crate) struct App<'a> {
    /// Which one; the policy differs from others only by what follows from it.
    pub(crate) number: usize,
    /// Ports that its first rule opens besides.
    pub(crate) more_ports: &'a str,
    /// What sort of block its third rule is about: `cidr` or `outside`.
    pub(crate) block: &'a str,
    /// Whether a fourth rule lets it speak with its whole namespace.
    pub(crate) within_namespace: bool,
}

impl App<'_> {
    /// The policy.
    pub(crate) fn text(&self) -> String {
        let Self {
            number,
            more_ports,
            block,
            ..
        } = self;
        let (ns, app) = (number / 8, number % 8);
        let (next, after) = ((app + 1) % 8, (app + 2) % 8);
        let (team, port, net) = (number % 5, 8000 + number % 50, number % 250);
        let within_namespace = match self.within_namespace {
            true => format!("  allow egress to pods [ns=ns{ns}]\n"),
            false => String::new(),
        };
        format!(
            "\
policy NetworkPolicy ns{ns}/app{app} on pods [ns=ns{ns}, app=app{app}] denies both {{
  allow ingress from pods [ns=ns{ns}, app in (app{next}, app{after})] ports http/TCP, 9090/TCP{more_ports}
  allow ingress from pods [ns:team=t{team}] ports {port}/TCP
  allow egress to {block} 10.{net}.0.0/16 except 10.{net}.1.0/24 ports 443/TCP
{within_namespace}}}
"
        )
    }
}
