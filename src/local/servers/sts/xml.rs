//! Just enough XML for the answers of the query protocol.

/// A document under construction: elements with text or with further elements, no attributes but the
/// namespace of the root.
pub(super) struct Xml {
    text: String,
    root: String,
}

impl Xml {
    pub(super) fn root(name: impl Into<String>, namespace: &str) -> Self {
        let name = name.into();
        Xml {
            text: format!("<{name} xmlns=\"{namespace}\">"),
            root: name,
        }
    }

    pub(super) fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.tag("<", name);
        fill(self);
        self.tag("</", name);
    }

    pub(super) fn text(&mut self, name: &str, content: &str) {
        self.tag("<", name);
        for c in content.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                c => self.text.push(c),
            }
        }
        self.tag("</", name);
    }

    pub(super) fn finish(mut self) -> String {
        let root = std::mem::take(&mut self.root);
        self.tag("</", &root);
        self.text
    }

    fn tag(&mut self, open: &str, name: &str) {
        self.text.push_str(open);
        self.text.push_str(name);
        self.text.push('>');
    }
}
