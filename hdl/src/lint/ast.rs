//! The rules that show in a kernel's syntax tree, which is what rust-hdl prints as Verilog.

use std::collections::BTreeSet;

use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression as Expression,
    VerilogOp as Op, VerilogOpUnary as Unary, VerilogStatement as Statement,
};
use rust_hdl_core::prelude::*;

use super::{Finding, Rule};

/// What a walk over a block found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linted {
    /// In the order of the modules.
    pub findings: Vec<Finding>,
    /// Modules seen, the block itself included.
    pub instances: usize,
}

/// Lints `block` and everything it is made of.
pub fn lint(block: &dyn Block) -> Linted {
    let mut walk = Walk::default();
    block.accept("top", &mut walk);
    walk.linted
}

/// Goes through the modules; a kernel is looked at when its constants are known.
#[derive(Default)]
struct Walk {
    linted: Linted,
    scopes: Vec<Scope>,
}

struct Scope {
    name: String,
    code: Verilog,
    constants: BTreeSet<String>,
}

impl Probe for Walk {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        self.scopes.push(Scope { name: name.to_owned(), code: node.hdl(), constants: BTreeSet::new() });
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        if let (Some(scope), AtomKind::Constant) = (self.scopes.last_mut(), atom.kind()) {
            scope.constants.insert(name.to_owned());
        }
    }

    fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
        let path: Vec<&str> = self.scopes.iter().map(|scope| scope.name.as_str()).collect();
        let path = path.join("$");
        let Some(scope) = self.scopes.pop() else { return };
        self.linted.instances += 1;
        let Verilog::Combinatorial(code) = &scope.code else { return };
        let mut kernel = Kernel {
            path,
            at: String::new(),
            constants: scope.constants,
            loops: vec![],
            reads: false,
            assigns: false,
            findings: vec![],
        };
        kernel.block(code);
        if kernel.assigns && !kernel.reads {
            kernel.at.clear();
            kernel.find(Rule::ConstantBlock);
        }
        self.linted.findings.append(&mut kernel.findings);
    }
}

/// The kernel being looked at.
struct Kernel {
    path: String,
    /// The statement.
    at: String,
    constants: BTreeSet<String>,
    /// Variables of the open loops.
    loops: Vec<String>,
    /// A signal that can change was read.
    reads: bool,
    assigns: bool,
    findings: Vec<Finding>,
}

impl Kernel {
    fn find(&mut self, rule: Rule) {
        let finding = Finding { place: format!("{} {}", self.path, self.at).trim_end().to_owned(), rule };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn block(&mut self, block: &VerilogBlock) {
        for statement in block {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Assignment(target, value) => self.assignment(target, value),
            Statement::SliceAssignment { base, offset, replacement, .. } => {
                self.assignment(base, replacement);
                self.index(offset);
            }
            Statement::If(conditional) => self.conditional(conditional),
            Statement::Match(m) => {
                self.at = "match".to_owned();
                if widens(&m.test) {
                    self.find(Rule::MatchOnComputed);
                }
                self.whole(&m.test);
                for case in &m.cases {
                    self.block(&case.block);
                }
            }
            Statement::Loop(l) => {
                self.loops.push(l.index.clone());
                self.block(&l.block);
                self.loops.pop();
            }
            Statement::Macro(block) => self.block(block),
            // A link is a continuous assignment of its own.
            Statement::Comment(_) | Statement::Link(_) => {}
        }
    }

    fn assignment(&mut self, target: &Expression, value: &Expression) {
        self.at = match target {
            Expression::Signal(name) => name.trim_end_matches("$next").to_owned(),
            _ => "slice".to_owned(),
        };
        self.assigns = true;
        self.whole(value);
    }

    fn conditional(&mut self, conditional: &VerilogConditional) {
        self.at = "if".to_owned();
        self.whole(&conditional.test);
        self.block(&conditional.then);
        match &conditional.otherwise {
            VerilogBlockOrConditional::Block(block) => self.block(block),
            VerilogBlockOrConditional::Conditional(statement) => self.statement(statement),
            VerilogBlockOrConditional::None => {}
        }
    }

    /// An expression with nothing around it.
    fn whole(&mut self, e: &Expression) {
        if steps(e) > 1 {
            self.find(Rule::TwoSteps);
        }
        self.expression(e);
    }

    fn expression(&mut self, e: &Expression) {
        match e {
            Expression::Signal(name) => {
                let array = name.split('[').next().unwrap_or(name);
                let is_constant =
                    self.constants.iter().any(|c| c == name || c.starts_with(&format!("{array}$")));
                // `Type$State` is a state's name, and a loop variable becomes a number.
                let is_state = name.starts_with(|c: char| c.is_ascii_uppercase());
                self.reads |= !is_constant && !is_state && !self.loops.contains(name);
            }
            Expression::Literal(_) => {}
            Expression::Paren(inner) => self.expression(inner),
            Expression::Cast(inner, _) => {
                self.reject(Rule::CastOfComputed, inner);
                self.expression(inner);
            }
            Expression::Signed(inner) | Expression::Unsigned(inner) => {
                self.reject(Rule::SignOfComputed, inner);
                self.expression(inner);
            }
            Expression::Unary(op, inner) => {
                if matches!(op, Unary::All | Unary::Any | Unary::Xor) {
                    self.reject(Rule::ReductionOfComputed, inner);
                }
                self.expression(inner);
            }
            Expression::Binary(left, op, right) => {
                match op {
                    Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge => {
                        self.reject(Rule::ComparisonOfComputed, left);
                        self.reject(Rule::ComparisonOfComputed, right);
                    }
                    Op::Shl | Op::Shr => {
                        self.reject(Rule::ShiftOfComputed, left);
                        self.reject(Rule::ShiftOfComputed, right);
                    }
                    _ => {}
                }
                if regroups(left, op, right) {
                    self.find(Rule::Precedence);
                }
                self.expression(left);
                self.expression(right);
            }
            Expression::Index(base, at) | Expression::Slice(base, _, at) => {
                self.expression(base);
                self.index(at);
            }
            Expression::IndexReplace(base, at, value) => {
                self.expression(base);
                self.index(at);
                self.expression(value);
            }
        }
    }

    fn reject(&mut self, rule: Rule, e: &Expression) {
        if widens(e) {
            self.find(rule);
        }
    }

    fn index(&mut self, at: &Expression) {
        if widens(at) && !self.is_constant(at) {
            self.find(Rule::ComputedIndex);
        }
        self.expression(at);
    }

    /// Made of literals and loop variables.
    fn is_constant(&self, e: &Expression) -> bool {
        match e {
            Expression::Literal(_) => true,
            Expression::Signal(name) => self.loops.contains(name),
            Expression::Paren(inner) | Expression::Cast(inner, _) => self.is_constant(inner),
            Expression::Binary(left, _, right) => self.is_constant(left) && self.is_constant(right),
            _ => false,
        }
    }
}

/// Whether `e` has other low bits, or bits above its own width, where Verilog evaluates it in a wider context.
fn widens(e: &Expression) -> bool {
    match e {
        Expression::Paren(inner) => widens(inner),
        Expression::Binary(left, op, right) => match op {
            Op::Add | Op::Sub | Op::Mul | Op::Shl => true,
            Op::BitAnd | Op::BitOr | Op::BitXor => widens(left) || widens(right),
            Op::Shr => widens(left),
            // One bit, whatever stands around it.
            Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::LogicalAnd | Op::LogicalOr => false,
        },
        Expression::Unary(Unary::Not | Unary::Neg, _) | Expression::IndexReplace(..) => true,
        Expression::Unary(Unary::All | Unary::Any | Unary::Xor, _) => false,
        // Masked, or of a width of their own.
        Expression::Cast(..) | Expression::Signed(_) | Expression::Unsigned(_) => false,
        Expression::Signal(_) | Expression::Literal(_) | Expression::Index(..) | Expression::Slice(..) => {
            false
        }
    }
}

/// Arithmetic operators in `e`, those in an index apart.
fn steps(e: &Expression) -> usize {
    match e {
        Expression::Binary(left, op, right) => {
            usize::from(matches!(op, Op::Add | Op::Sub | Op::Mul)) + steps(left) + steps(right)
        }
        Expression::Paren(inner)
        | Expression::Cast(inner, _)
        | Expression::Signed(inner)
        | Expression::Unsigned(inner)
        | Expression::Unary(_, inner)
        | Expression::Index(inner, _)
        | Expression::Slice(inner, _, _) => steps(inner),
        Expression::IndexReplace(base, _, value) => steps(base) + steps(value),
        Expression::Signal(_) | Expression::Literal(_) => 0,
    }
}

/// Whether `left op right`, printed without parentheses, is another expression in Verilog than in Rust.
fn regroups(left: &Expression, op: &Op, right: &Expression) -> bool {
    let binds = |e: &Expression| if let Expression::Binary(_, op, _) = e { binding(op) } else { u8::MAX };
    binds(left) < binding(op) || binds(right) <= binding(op)
}

/// How tightly Verilog binds `op` (IEEE 1364-2005, table 5-4).
fn binding(op: &Op) -> u8 {
    match op {
        Op::Mul => 10,
        Op::Add | Op::Sub => 9,
        Op::Shl | Op::Shr => 8,
        Op::Lt | Op::Le | Op::Gt | Op::Ge => 7,
        Op::Eq | Op::Ne => 6,
        Op::BitAnd => 5,
        Op::BitXor => 4,
        Op::BitOr => 3,
        Op::LogicalAnd => 2,
        Op::LogicalOr => 1,
    }
}
