//! The rules for which the Rust text is needed: rust-hdl's syntax trees have lost `..=`, and a kernel that no board has
//! does not appear in any.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Finding, Rule};
use crate::{Error, flow::tool};

/// What a walk over source files found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linted {
    /// In the order of the files.
    pub findings: Vec<Finding>,
    /// Functions under `#[hdl_gen]`.
    pub kernels: usize,
}

/// Lints every `.rs` file below `dir`; `tops` are the types from which every kernel must be reached.
pub fn lint(dir: &Path, tops: &[&str]) -> Result<Linted, Error> {
    let mut files = vec![];
    collect(dir, &mut files)?;
    let mut sources = vec![];
    for path in files {
        let text = tool::read(&path)?;
        let place = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        sources.push((place, String::from_utf8_lossy(&text).into_owned()));
    }
    lint_text(&sources, tops)
}

/// Lints sources given as name and text.
pub fn lint_text(sources: &[(String, String)], tops: &[&str]) -> Result<Linted, Error> {
    let mut walk = Walk::default();
    for (name, text) in sources {
        let file = syn::parse_file(text).map_err(|e| Error::Lint(format!("{name}: {e}")))?;
        walk.file.clone_from(name);
        walk.visit_file(&file);
    }
    let reached = reached(&walk.parts, tops);
    for (kernel, place) in &walk.kernels {
        if !reached.contains(kernel.as_str()) {
            walk.findings.push(Finding { place: place.clone(), rule: Rule::Unreached });
        }
    }
    Ok(Linted { findings: walk.findings, kernels: walk.kernels.len() })
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let error = |source| Error::File { path: dir.to_owned(), source };
    let mut paths = vec![];
    for entry in std::fs::read_dir(dir).map_err(error)? {
        paths.push(entry.map_err(error)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// `tops` and the types they are made of.
fn reached<'a>(parts: &'a BTreeMap<String, BTreeSet<String>>, tops: &[&'a str]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = tops.to_vec();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(parts.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

#[derive(Default)]
struct Walk {
    file: String,
    /// The type whose `impl` is open.
    owner: Option<String>,
    in_kernel: bool,
    /// Type and place of every kernel.
    kernels: Vec<(String, String)>,
    /// The names in the fields of every struct.
    parts: BTreeMap<String, BTreeSet<String>>,
    findings: Vec<Finding>,
}

impl Walk {
    fn place(&self, span: proc_macro2::Span) -> String {
        format!("{}:{}", self.file, span.start().line)
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let mut names = Names::default();
        names.visit_fields(&item.fields);
        self.parts.entry(item.ident.to_string()).or_default().append(&mut names.0);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let syn::Type::Path(path) = &*item.self_ty {
            self.owner = path.path.segments.last().map(|segment| segment.ident.to_string());
        }
        visit::visit_item_impl(self, item);
        self.owner = None;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.attrs.iter().any(|attr| attr.path().is_ident("hdl_gen")) {
            let place = self.place(item.sig.ident.span());
            self.kernels.extend(self.owner.clone().map(|owner| (owner, place)));
            self.in_kernel = true;
            visit::visit_impl_item_fn(self, item);
            self.in_kernel = false;
        }
    }

    fn visit_expr_for_loop(&mut self, item: &'ast syn::ExprForLoop) {
        let mut range = &*item.expr;
        while let syn::Expr::Paren(inner) = range {
            range = &inner.expr;
        }
        if let (true, syn::Expr::Range(syn::ExprRange { limits: syn::RangeLimits::Closed(_), .. })) =
            (self.in_kernel, range)
        {
            self.findings.push(Finding { place: self.place(range.span()), rule: Rule::InclusiveRange });
        }
        visit::visit_expr_for_loop(self, item);
    }
}

/// Every name in a type.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0.insert(segment.ident.to_string());
        visit::visit_path_segment(self, segment);
    }
}
