//! `s3://BUCKET[/PREFIX]`: `w/HEX` are records of question sets, `s/HEX` of results, `cas/HEX` blobs by their BLAKE3.
//! Writing is conditional: `If-None-Match: *` for what never changes, `If-Match` for question sets.
//!
//! Credentials are `AWS_ACCESS_KEY_ID` and its like, or those of `AWS_PROFILE` in `~/.aws/credentials`; the server is
//! that of `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or Amazon's of the region. Reading takes `s3:GetObject` and
//! `s3:ListBucket`: without the latter, what is not there looks forbidden.

use crate::carrier::{Blob, Failure, LARGEST_RECORD, Name};
use crate::http::{Headers, Http, Written, in_parallel};
use crate::protocol::Versioned;
use crate::server::{Progress, Server, Settings, hex};
use rusty_s3::actions::{GetObject, HeadObject, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a signed request is valid.
const VALID: Duration = Duration::from_hours(1);
/// The largest object of one request.
const LARGEST_BLOB: u64 = 5 << 30;

pub(crate) struct S3 {
    http: Http,
    bucket: Bucket,
    credentials: Option<Credentials>,
    prefix: String,
}

impl S3 {
    /// # Errors
    /// When the address or the settings are wrong.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let place = settings.url.strip_prefix("s3://").unwrap_or_default().trim_end_matches('/');
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(Failure::Refused("an address s3://BUCKET/PREFIX is needed".to_owned()));
        }
        let profile = Profile::read();
        let setting = |names: &[&str], key: &str| {
            let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
            names.iter().find_map(variable).or_else(|| profile.settings.get(key).cloned())
        };
        let region = setting(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region");
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = setting(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], "endpoint_url");
        // A bucket with dots is not a host name for certificates; other servers seldom have a host for each bucket.
        let style =
            if endpoint.is_some() || bucket.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let refused = |error: String| Failure::Refused(format!("{endpoint}: {error}"));
        let address = endpoint.parse::<url::Url>().map_err(|error| refused(error.to_string()))?;
        let is_tls = address.scheme() == "https";
        let bucket = Bucket::new(address, style, bucket.to_owned(), region)
            .map_err(|error| refused(format!("{error:?}")))?;
        let credentials = Credentials::from_env().or_else(|| profile.credentials());
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { http: Http::new(settings, is_tls)?, bucket, credentials, prefix })
    }

    fn key(&self, kind: &str, digest: &[u8]) -> String {
        format!("{}{kind}/{}", self.prefix, hex(digest))
    }

    fn get(&self, kind: &str, digest: &[u8]) -> Result<Option<(Vec<u8>, String)>, Failure> {
        let key = self.key(kind, digest);
        let url = GetObject::new(&self.bucket, self.credentials.as_ref(), &key).sign(VALID);
        self.http.get(url.as_str(), &[], LARGEST_RECORD).map_err(explained)
    }

    fn put_address(&self, key: &str, headers: Headers<'_>) -> String {
        let mut action = PutObject::new(&self.bucket, self.credentials.as_ref(), key);
        for (name, value) in headers {
            action.headers_mut().insert((*name).to_owned(), (*value).to_owned());
        }
        action.sign(VALID).to_string()
    }

    fn put(&self, key: &str, headers: Headers<'_>, content: &[u8]) -> Result<Written, Failure> {
        self.http.put(&self.put_address(key, headers), headers, content)
    }

    fn is_there(&self, blob: &Blob) -> Result<bool, Failure> {
        let key = self.key("cas", &blob.digest);
        let url = HeadObject::new(&self.bucket, self.credentials.as_ref(), &key).sign(VALID);
        self.http.is_there(url.as_str(), &[], blob.size)
    }
}

impl Server for S3 {
    fn questions(&mut self, key: &Name) -> Result<Option<Versioned>, Failure> {
        let found = self.get("w", &key.0)?;
        Ok(found.map(|(record, etag)| Versioned { version: etag.into_bytes(), record }))
    }

    fn swap(&mut self, key: &Name, version: Option<&[u8]>, record: &[u8]) -> Result<bool, Failure> {
        let etag = version.map(String::from_utf8_lossy);
        let condition = match &etag {
            None => ("if-none-match", "*"),
            Some(etag) => ("if-match", etag.as_ref()),
        };
        match self.put(&self.key("w", &key.0), &[condition], record)? {
            Written::Done => Ok(true),
            Written::Conflict => Ok(false),
            // The record that was to be replaced is gone.
            Written::Absent if version.is_some() => Ok(false),
            absent @ Written::Absent => absent.or_there().map(|()| false),
        }
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        in_parallel(names, |name| Ok(self.get("s", &name.0)?.map(|(record, _)| record)))
    }

    fn add_result(&mut self, name: &Name, record: &[u8], _: &[Blob]) -> Result<(), Failure> {
        self.put(&self.key("s", &name.0), &[("if-none-match", "*")], record)?.or_there()
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        let there = in_parallel(blobs, |blob| self.is_there(blob))?;
        Ok(blobs.iter().zip(there).filter(|(_, there)| !there).map(|(blob, _)| *blob).collect())
    }

    fn fetch(
        &mut self,
        blob: &Blob,
        to: &std::fs::File,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Failure> {
        let key = self.key("cas", &blob.digest);
        let url = GetObject::new(&self.bucket, self.credentials.as_ref(), &key).sign(VALID);
        self.http.fetch(url.as_str(), &[], (blob, to), progress)
    }

    fn add_blob(
        &mut self,
        blob: &Blob,
        from: &std::fs::File,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        if blob.size > LARGEST_BLOB {
            return Err(Failure::Refused("S3 takes no file larger than 5 GiB at once".to_owned()));
        }
        let (key, once) = (self.key("cas", &blob.digest), [("if-none-match", "*")]);
        let url = self.put_address(&key, &once);
        self.http.upload(&url, &once, (blob, from), progress)?.or_there()
    }
}

fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(why) if why.contains("403") => {
            Failure::Refused(format!("{why} (reading takes s3:GetObject and s3:ListBucket)"))
        }
        other => other,
    }
}

/// What the files of the AWS programs say of the profile in use.
#[derive(Default)]
struct Profile {
    settings: HashMap<String, String>,
}

impl Profile {
    fn read() -> Self {
        let name = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "default".to_owned());
        let file = |variable: &str, usual: &str| {
            let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(usual));
            let path = std::env::var_os(variable).map(PathBuf::from).or_else(home)?;
            std::fs::read_to_string(path).ok()
        };
        let mut profile = Self::default();
        if let Some(text) = file("AWS_CONFIG_FILE", "config") {
            profile.add(&text, &[&name, &format!("profile {name}")]);
        }
        if let Some(text) = file("AWS_SHARED_CREDENTIALS_FILE", "credentials") {
            profile.add(&text, &[&name]);
        }
        profile
    }

    /// Adds the settings of the sections with one of these names.
    fn add(&mut self, text: &str, sections: &[&str]) {
        let mut is_ours = false;
        for line in text.lines() {
            // An indented line belongs to a setting with several of its own.
            let is_inner = line.starts_with([' ', '\t']);
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                is_ours = sections.contains(&section.trim());
            } else if let Some((name, value)) = line.split_once('=').filter(|_| is_ours && !is_inner) {
                self.settings.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        let key = self.settings.get("aws_access_key_id")?.clone();
        let secret = self.settings.get("aws_secret_access_key")?.clone();
        Some(match self.settings.get("aws_session_token") {
            Some(token) => Credentials::new_with_token(key, secret, token.clone()),
            None => Credentials::new(key, secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_the_aws_programs_read_it() {
        let mut profile = Profile::default();
        let config = "[default]\nregion = eu-west-1\n[profile ci]\nregion=eu-north-1\ns3 =\n  region = no\n# region = no\n";
        profile.add(config, &["ci", "profile ci"]);
        profile.add(
            "[other]\naws_access_key_id = no\n[ci]\naws_access_key_id = key\naws_secret_access_key = a=b\n",
            &["ci"],
        );
        assert_eq!(profile.settings.get("region").map(String::as_str), Some("eu-north-1"));
        let credentials = profile.credentials().unwrap();
        assert_eq!((credentials.key(), credentials.secret(), credentials.token()), ("key", "a=b", None));
        assert!(Profile::default().credentials().is_none());
    }
}
