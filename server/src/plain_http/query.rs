//! The query of a request: the part of the address after the `?`.

/// The pairs of a query, undecoded: every parameter that has a meaning here is plain ASCII.
#[derive(Clone, Copy, Default)]
pub struct Query<'a>(pub &'a str);

impl<'a> Query<'a> {
    /// The value of a parameter.
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether a parameter is there, with a value or without.
    pub fn has(self, name: &str) -> bool {
        self.0
            .split('&')
            .any(|pair| pair.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_the_query() {
        assert_eq!(Query("from=d61").value("from"), Some("d61"));
        assert_eq!(Query("a=b&from=d61&limit=5").value("from"), Some("d61"));
        assert_eq!(Query("a=b&from=d61&limit=5").value("limit"), Some("5"));
        assert_eq!(Query("fromage=d61").value("from"), None);
    }

    #[test]
    fn a_parameter_needs_no_value() {
        for query in ["zip", "zip=", "a=b&zip", "zip=1&a"] {
            assert!(Query(query).has("zip"), "{query}");
        }
        for query in ["", "zipped", "a=zip", "unzip", "ZIP"] {
            assert!(!Query(query).has("zip"), "{query}");
        }
    }
}
