//! The profiles of `~/.aws/config`.

/// Returns the value of a key in a profile of `~/.aws/config`, or in the section of another kind that has this name.
pub fn profile_value(config: &str, profile: &str, key: &str) -> Option<String> {
    let mut is_ours = false;
    for line in config.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.split_once(']')).map(|(section, _)| section.trim()) {
            is_ours = match section.split_once(char::is_whitespace) {
                Some(("profile", name)) => name.trim().trim_matches(['"', '\'']) == profile,
                Some((kind, name)) => profile.split_once(' ') == Some((kind, name.trim())),
                _ => section == "default" && profile == "default",
            };
        } else if is_ours && !is_nested && !line.starts_with(['#', ';']) {
            let found = line.split_once('=').filter(|(k, _)| k.trim() == key).map(|(_, value)| value.trim());
            if let Some(value) = found.filter(|value| !value.is_empty()) {
                return Some(value.to_string());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_tell_their_region() {
        let config = "# x\n[default]\nregion = eu-central-1\ns3 =\n  region = nested\n\n[profile other]\noutput=json\nregion=us-west-2 \n\
                      [profile \"a b\"]\nregion = ap-1\n[sso-session other]\nregion = wrong\n";
        let region = |profile| profile_value(config, profile, "region");
        assert_eq!(region("default").as_deref(), Some("eu-central-1"));
        assert_eq!((region("other").as_deref(), region("a b").as_deref()), (Some("us-west-2"), Some("ap-1")));
        assert_eq!(profile_value(config, "sso-session other", "region").as_deref(), Some("wrong"));
        assert_eq!((region("none"), profile_value(config, "default", "endpoint_url")), (None, None));
    }
}
