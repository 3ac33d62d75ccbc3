//! Flags that say who a certificate is for, shared by `csr` and `enroll`.

use crate::x509::{self, AltName, Name, Variables, Wanted};

/// Subject and alternative names.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Names")]
pub struct SubjectArgs {
    /// Subject attributes in order, as `O=Acme, OU=a, OU=b`; before --serial and --cn
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Subject serialNumber: the device's serial number
    #[arg(long, value_name = "TEXT")]
    serial: Option<String>,
    /// Subject commonName
    #[arg(long, value_name = "TEXT")]
    cn: Option<String>,
    /// Alternative name: a DNS name
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// Alternative name: an IP address
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Alternative name: a URI
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,
    /// Alternative name: an e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// Alternative name: hardwareModuleName (RFC 4108), as TYPE-OID:SERIAL or TYPE-OID:hex:DIGITS
    #[arg(long, value_name = "OID:SERIAL")]
    hw_module: Vec<String>,
    /// Alternative name: permanentIdentifier (RFC 4043), as VALUE or VALUE,ASSIGNER-OID
    #[arg(long, value_name = "VALUE")]
    permanent_id: Vec<String>,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Values for a profile's variables.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Names")]
pub struct VariableArgs {
    /// A variable of the profile, from which it makes names of its own
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    set: Vec<(String, String)>,
}

/// Reads `NAME=VALUE`.
fn parse_variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "must be NAME=VALUE".to_owned())
}

impl VariableArgs {
    /// The variables by name.
    pub fn variables(&self) -> Result<Variables, x509::Error> {
        let mut variables = Variables::default();
        for (name, value) in &self.set {
            if !variables.set(name, value) {
                let why = "has two values";
                return Err(x509::Error::Value { what: "the variable", value: name.clone(), why });
            }
        }
        Ok(variables)
    }
}

impl SubjectArgs {
    /// What the flags ask for.
    pub fn wanted(&self) -> Result<Wanted, x509::Error> {
        let mut attributes = self.subject.as_deref().map_or(Ok(Vec::new()), Name::parse)?;
        attributes.extend(self.serial.iter().map(|text| (Name::SERIAL_NUMBER, text.clone())));
        attributes.extend(self.cn.iter().map(|text| (Name::COMMON_NAME, text.clone())));
        let mut alt_names = Vec::new();
        let mut add = |texts: &[String], parse: fn(&str) -> Result<AltName, x509::Error>| {
            texts.iter().try_for_each(|text| parse(text).map(|name| alt_names.push(name)))
        };
        add(&self.hw_module, AltName::hardware_module)?;
        add(&self.permanent_id, AltName::permanent_identifier)?;
        add(&self.dns, AltName::dns)?;
        add(&self.ip, AltName::ip)?;
        add(&self.uri, AltName::uri)?;
        add(&self.email, AltName::email)?;
        Ok(Wanted {
            subject: Name::new(&attributes)?,
            alt_names,
            variables: self.variables.variables()?,
            ..Wanted::default()
        })
    }
}
