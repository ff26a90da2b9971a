//! What arithmetic, byte order and conditions mean, written once for every executor.
//!
//! The functions here are generic over a [`Domain`]: an algebra of 64-bit words with the
//! operations and conventions of SMT-LIB's theory of bit-vectors (QF_BV). Plain `u64` numbers
//! form one ([`Concrete`], used by the interpreter); solver terms form another (used by
//! translation validation). The two therefore cannot differ in what an instruction does.
//!
//! Source: RFC 9669 §4.1 (arithmetic), §4.2 (byte order), §4.3 (jumps), §5.3 (atomics). A 32-bit
//! operation reads the low halves of its operands and clears the upper half of its result.
//!
//! Deliberately absent: pointers and memory. An executor decides what a word is and handles
//! addition to and comparison of pointers before it comes here.

use crate::insn::{AluOp, AtomicOp, Condition, Endian, Operand, Size, Width};

/// 64-bit words and truth values with SMT-LIB's operations.
///
/// Division is total as in QF_BV: by zero, `udiv` gives all ones and `urem` the dividend. Shift
/// counts passed to `shl`, `lshr` and `ashr` are below 64. `bits` is one of 8, 16, 32, 64.
pub trait Domain {
    /// A 64-bit word.
    type Word: Clone;
    /// A truth value.
    type Truth: Clone;

    /// A known word.
    fn constant(&self, value: u64) -> Self::Word;
    /// Addition modulo 2⁶⁴.
    fn add(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Subtraction modulo 2⁶⁴.
    fn sub(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Multiplication modulo 2⁶⁴.
    fn mul(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Unsigned division.
    fn udiv(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Unsigned remainder.
    fn urem(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Signed division, rounding towards zero; the most negative number by −1 is itself.
    fn sdiv(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Signed remainder with the sign of the dividend.
    fn srem(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Bitwise and.
    fn and(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Bitwise or.
    fn or(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Bitwise exclusive or.
    fn xor(&self, a: &Self::Word, b: &Self::Word) -> Self::Word;
    /// Shift left.
    fn shl(&self, a: &Self::Word, count: &Self::Word) -> Self::Word;
    /// Logical shift right.
    fn lshr(&self, a: &Self::Word, count: &Self::Word) -> Self::Word;
    /// Arithmetic shift right.
    fn ashr(&self, a: &Self::Word, count: &Self::Word) -> Self::Word;
    /// The low `bits` bits, the others 0.
    fn zero_extend(&self, a: &Self::Word, bits: u32) -> Self::Word;
    /// The low `bits` bits, the others copies of the highest of them.
    fn sign_extend(&self, a: &Self::Word, bits: u32) -> Self::Word;
    /// The low `bits` bits with their bytes in reverse order, the others 0.
    fn reverse_bytes(&self, a: &Self::Word, bits: u32) -> Self::Word;
    /// Equality.
    fn equal(&self, a: &Self::Word, b: &Self::Word) -> Self::Truth;
    /// Unsigned `a < b`.
    fn below(&self, a: &Self::Word, b: &Self::Word) -> Self::Truth;
    /// Signed `a < b`.
    fn less(&self, a: &Self::Word, b: &Self::Word) -> Self::Truth;
    /// Negation.
    fn not(&self, a: &Self::Truth) -> Self::Truth;
    /// `then` where the condition holds, else `otherwise`.
    fn select(&self, condition: &Self::Truth, then: &Self::Word, otherwise: &Self::Word) -> Self::Word;
}

/// The value of a constant operand: 32-bit constants are sign-extended.
pub fn immediate<D: Domain>(domain: &D, imm: i32) -> D::Word {
    domain.constant(i64::from(imm).cast_unsigned())
}

/// The value of an operand, registers being read by `register`.
///
/// # Errors
/// What `register` reports.
pub fn operand<D: Domain, E>(
    domain: &D,
    operand: Operand,
    register: impl FnOnce(crate::insn::Reg) -> Result<D::Word, E>,
) -> Result<D::Word, E> {
    match operand {
        Operand::Reg(reg) => register(reg),
        Operand::Imm(imm) => Ok(immediate(domain, imm)),
    }
}

/// The result of `dst op= src` (RFC 9669 §4.1).
pub fn alu<D: Domain>(d: &D, width: Width, op: AluOp, dst: &D::Word, src: &D::Word) -> D::Word {
    let bits = bits(width);
    // Operands as the operation sees them. Low halves suffice for all but the signed operations
    // and comparisons, whose 32-bit form is the 64-bit form on sign-extended halves.
    let unsigned = |word: &D::Word| d.zero_extend(word, bits);
    let signed = |word: &D::Word| d.sign_extend(word, bits);
    let count = || d.and(src, &d.constant(u64::from(bits) - 1));
    let by_zero = || d.equal(&unsigned(src), &d.constant(0));
    let result = match op {
        AluOp::Add => d.add(dst, src),
        AluOp::Sub => d.sub(dst, src),
        AluOp::Mul => d.mul(dst, src),
        AluOp::Div => d.select(
            &by_zero(),
            &d.constant(0),
            &d.udiv(&unsigned(dst), &unsigned(src)),
        ),
        AluOp::SDiv => d.select(&by_zero(), &d.constant(0), &d.sdiv(&signed(dst), &signed(src))),
        AluOp::Mod => d.select(&by_zero(), dst, &d.urem(&unsigned(dst), &unsigned(src))),
        AluOp::SMod => d.select(&by_zero(), dst, &d.srem(&signed(dst), &signed(src))),
        AluOp::Or => d.or(dst, src),
        AluOp::And => d.and(dst, src),
        AluOp::Xor => d.xor(dst, src),
        AluOp::Mov => src.clone(),
        AluOp::Lsh => d.shl(dst, &count()),
        AluOp::Rsh => d.lshr(&unsigned(dst), &count()),
        AluOp::Arsh => d.ashr(&signed(dst), &count()),
    };
    d.zero_extend(&result, bits)
}

/// The result of `dst = -dst`.
pub fn neg<D: Domain>(d: &D, width: Width, dst: &D::Word) -> D::Word {
    d.zero_extend(&d.sub(&d.constant(0), dst), bits(width))
}

/// The result of a move that sign-extends the low `from` bytes of `src` to `width`.
pub fn mov_sign_extended<D: Domain>(d: &D, width: Width, from: Size, src: &D::Word) -> D::Word {
    d.zero_extend(&d.sign_extend(src, from.bits()), bits(width))
}

/// The result of a byte-order instruction on a little-endian machine (RFC 9669 §4.2).
pub fn endian<D: Domain>(d: &D, op: Endian, size: Size, dst: &D::Word) -> D::Word {
    match op {
        Endian::ToLe => d.zero_extend(dst, size.bits()),
        Endian::ToBe | Endian::Swap => d.reverse_bytes(dst, size.bits()),
    }
}

/// Whether `dst condition src` holds (RFC 9669 §4.3).
pub fn holds<D: Domain>(d: &D, width: Width, condition: Condition, dst: &D::Word, src: &D::Word) -> D::Truth {
    let bits = bits(width);
    let unsigned = |word: &D::Word| d.zero_extend(word, bits);
    let signed = |word: &D::Word| d.sign_extend(word, bits);
    let below = |a: &D::Word, b: &D::Word| d.below(&unsigned(a), &unsigned(b));
    let less = |a: &D::Word, b: &D::Word| d.less(&signed(a), &signed(b));
    match condition {
        Condition::Eq => d.equal(&unsigned(dst), &unsigned(src)),
        Condition::Ne => d.not(&d.equal(&unsigned(dst), &unsigned(src))),
        Condition::Set => d.not(&d.equal(&unsigned(&d.and(dst, src)), &d.constant(0))),
        Condition::Lt => below(dst, src),
        Condition::Gt => below(src, dst),
        Condition::Ge => d.not(&below(dst, src)),
        Condition::Le => d.not(&below(src, dst)),
        Condition::SLt => less(dst, src),
        Condition::SGt => less(src, dst),
        Condition::SGe => d.not(&less(dst, src)),
        Condition::SLe => d.not(&less(src, dst)),
    }
}

/// What an atomic operation leaves in memory, given the `old` cell of `size` bytes, its register
/// operand and, for compare-and-exchange, `r0` (RFC 9669 §5.3).
///
/// A register that receives the old value receives `old` as passed, zero-extended.
pub fn atomic<D: Domain>(
    d: &D,
    op: AtomicOp,
    size: Size,
    old: &D::Word,
    src: &D::Word,
    r0: &D::Word,
) -> D::Word {
    let bits = size.bits();
    let new = match op {
        AtomicOp::Add { .. } => d.add(old, src),
        AtomicOp::Or { .. } => d.or(old, src),
        AtomicOp::And { .. } => d.and(old, src),
        AtomicOp::Xor { .. } => d.xor(old, src),
        AtomicOp::Exchange => src.clone(),
        AtomicOp::CompareExchange => {
            let same = d.equal(&d.zero_extend(old, bits), &d.zero_extend(r0, bits));
            d.select(&same, src, old)
        }
    };
    d.zero_extend(&new, bits)
}

const fn bits(width: Width) -> u32 {
    match width {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// Plain numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Concrete;

impl Domain for Concrete {
    type Word = u64;
    type Truth = bool;

    fn constant(&self, value: u64) -> u64 {
        value
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a.wrapping_add(*b)
    }

    fn sub(&self, a: &u64, b: &u64) -> u64 {
        a.wrapping_sub(*b)
    }

    fn mul(&self, a: &u64, b: &u64) -> u64 {
        a.wrapping_mul(*b)
    }

    fn udiv(&self, a: &u64, b: &u64) -> u64 {
        a.checked_div(*b).unwrap_or(u64::MAX)
    }

    fn urem(&self, a: &u64, b: &u64) -> u64 {
        a.checked_rem(*b).unwrap_or(*a)
    }

    fn sdiv(&self, a: &u64, b: &u64) -> u64 {
        let (a, b) = (a.cast_signed(), b.cast_signed());
        let by_zero = if a < 0 { 1 } else { -1 };
        if b == 0 { by_zero } else { a.wrapping_div(b) }.cast_unsigned()
    }

    fn srem(&self, a: &u64, b: &u64) -> u64 {
        let (a, b) = (a.cast_signed(), b.cast_signed());
        if b == 0 { a } else { a.wrapping_rem(b) }.cast_unsigned()
    }

    fn and(&self, a: &u64, b: &u64) -> u64 {
        a & b
    }

    fn or(&self, a: &u64, b: &u64) -> u64 {
        a | b
    }

    fn xor(&self, a: &u64, b: &u64) -> u64 {
        a ^ b
    }

    fn shl(&self, a: &u64, count: &u64) -> u64 {
        a.wrapping_shl(*count as u32)
    }

    fn lshr(&self, a: &u64, count: &u64) -> u64 {
        a.wrapping_shr(*count as u32)
    }

    fn ashr(&self, a: &u64, count: &u64) -> u64 {
        a.cast_signed().wrapping_shr(*count as u32).cast_unsigned()
    }

    fn zero_extend(&self, a: &u64, bits: u32) -> u64 {
        match bits {
            8 => u64::from(*a as u8),
            16 => u64::from(*a as u16),
            32 => u64::from(*a as u32),
            _ => *a,
        }
    }

    fn sign_extend(&self, a: &u64, bits: u32) -> u64 {
        match bits {
            8 => i64::from(*a as i8).cast_unsigned(),
            16 => i64::from(*a as i16).cast_unsigned(),
            32 => i64::from(*a as i32).cast_unsigned(),
            _ => *a,
        }
    }

    fn reverse_bytes(&self, a: &u64, bits: u32) -> u64 {
        match bits {
            8 => u64::from(*a as u8),
            16 => u64::from((*a as u16).swap_bytes()),
            32 => u64::from((*a as u32).swap_bytes()),
            _ => a.swap_bytes(),
        }
    }

    fn equal(&self, a: &u64, b: &u64) -> bool {
        a == b
    }

    fn below(&self, a: &u64, b: &u64) -> bool {
        a < b
    }

    fn less(&self, a: &u64, b: &u64) -> bool {
        a.cast_signed() < b.cast_signed()
    }

    fn not(&self, a: &bool) -> bool {
        !a
    }

    fn select(&self, condition: &bool, then: &u64, otherwise: &u64) -> u64 {
        if *condition { *then } else { *otherwise }
    }
}

/// Each operation against the plain Rust expression that RFC 9669's table describes.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words with the edges of both widths well represented.
    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            any::<u32>().prop_map(u64::from),
            0u64..70,
            prop::sample::select(vec![
                0,
                1,
                u64::MAX,
                i64::MIN.cast_unsigned(),
                i64::MAX.cast_unsigned(),
                0x8000_0000,
                0x7fff_ffff,
                0xffff_ffff,
                0xffff_ffff_8000_0000,
                0x1_0000_0000,
            ]),
        ]
    }

    fn alu64(op: AluOp, a: u64, b: u64) -> u64 {
        let (sa, sb) = (a as i64, b as i64);
        match op {
            AluOp::Add => a.wrapping_add(b),
            AluOp::Sub => a.wrapping_sub(b),
            AluOp::Mul => a.wrapping_mul(b),
            AluOp::Div => a.checked_div(b).unwrap_or(0),
            AluOp::SDiv => {
                if b == 0 {
                    0
                } else if sb == -1 {
                    sa.wrapping_neg() as u64
                } else {
                    (sa / sb) as u64
                }
            }
            AluOp::Mod => {
                if b == 0 {
                    a
                } else {
                    a % b
                }
            }
            AluOp::SMod => {
                if b == 0 {
                    a
                } else if sb == -1 {
                    0
                } else {
                    (sa % sb) as u64
                }
            }
            AluOp::Or => a | b,
            AluOp::And => a & b,
            AluOp::Xor => a ^ b,
            AluOp::Mov => b,
            AluOp::Lsh => a << (b % 64),
            AluOp::Rsh => a >> (b % 64),
            AluOp::Arsh => (sa >> (b % 64)) as u64,
        }
    }

    fn alu32(op: AluOp, a: u32, b: u32) -> u32 {
        let (sa, sb) = (a as i32, b as i32);
        match op {
            AluOp::Add => a.wrapping_add(b),
            AluOp::Sub => a.wrapping_sub(b),
            AluOp::Mul => a.wrapping_mul(b),
            AluOp::Div => a.checked_div(b).unwrap_or(0),
            AluOp::SDiv => {
                if b == 0 {
                    0
                } else if sb == -1 {
                    sa.wrapping_neg() as u32
                } else {
                    (sa / sb) as u32
                }
            }
            AluOp::Mod => {
                if b == 0 {
                    a
                } else {
                    a % b
                }
            }
            AluOp::SMod => {
                if b == 0 {
                    a
                } else if sb == -1 {
                    0
                } else {
                    (sa % sb) as u32
                }
            }
            AluOp::Or => a | b,
            AluOp::And => a & b,
            AluOp::Xor => a ^ b,
            AluOp::Mov => b,
            AluOp::Lsh => a << (b % 32),
            AluOp::Rsh => a >> (b % 32),
            AluOp::Arsh => (sa >> (b % 32)) as u32,
        }
    }

    fn compare(condition: Condition, a: u64, b: u64) -> bool {
        let (sa, sb) = (a as i64, b as i64);
        match condition {
            Condition::Eq => a == b,
            Condition::Ne => a != b,
            Condition::Gt => a > b,
            Condition::Ge => a >= b,
            Condition::Lt => a < b,
            Condition::Le => a <= b,
            Condition::Set => a & b != 0,
            Condition::SGt => sa > sb,
            Condition::SGe => sa >= sb,
            Condition::SLt => sa < sb,
            Condition::SLe => sa <= sb,
        }
    }

    fn compare32(condition: Condition, a: u32, b: u32) -> bool {
        let (sa, sb) = (a as i32, b as i32);
        match condition {
            Condition::Eq => a == b,
            Condition::Ne => a != b,
            Condition::Gt => a > b,
            Condition::Ge => a >= b,
            Condition::Lt => a < b,
            Condition::Le => a <= b,
            Condition::Set => a & b != 0,
            Condition::SGt => sa > sb,
            Condition::SGe => sa >= sb,
            Condition::SLt => sa < sb,
            Condition::SLe => sa <= sb,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn arithmetic(a in word(), b in word()) {
            for op in AluOp::ALL {
                prop_assert_eq!(alu(&Concrete, Width::W64, op, &a, &b), alu64(op, a, b), "{:?}", op);
                let expected = u64::from(alu32(op, a as u32, b as u32));
                prop_assert_eq!(alu(&Concrete, Width::W32, op, &a, &b), expected, "{:?} on halves", op);
            }
            prop_assert_eq!(neg(&Concrete, Width::W64, &a), (a as i64).wrapping_neg() as u64);
            prop_assert_eq!(neg(&Concrete, Width::W32, &a), u64::from((a as i32).wrapping_neg() as u32));
        }

        #[test]
        fn comparison(a in word(), b in prop_oneof![word(), Just(0)], same in any::<bool>()) {
            let b = if same { a } else { b };
            for condition in Condition::ALL {
                let whole = holds(&Concrete, Width::W64, condition, &a, &b);
                prop_assert_eq!(whole, compare(condition, a, b), "{:?}", condition);
                let half = holds(&Concrete, Width::W32, condition, &a, &b);
                prop_assert_eq!(half, compare32(condition, a as u32, b as u32), "{:?} on halves", condition);
                if let Some(negated) = condition.negated() {
                    prop_assert_eq!(holds(&Concrete, Width::W64, negated, &a, &b), !whole);
                    prop_assert_eq!(holds(&Concrete, Width::W32, negated, &a, &b), !half);
                }
            }
        }

        #[test]
        fn moves_and_byte_order(a in word()) {
            let sx = |width, from| mov_sign_extended(&Concrete, width, from, &a);
            prop_assert_eq!(sx(Width::W64, Size::B), a as i8 as u64);
            prop_assert_eq!(sx(Width::W64, Size::H), a as i16 as u64);
            prop_assert_eq!(sx(Width::W64, Size::W), a as i32 as u64);
            prop_assert_eq!(sx(Width::W32, Size::B), u64::from(a as i8 as u32));
            prop_assert_eq!(sx(Width::W32, Size::H), u64::from(a as i16 as u32));
            for op in [Endian::ToBe, Endian::Swap] {
                prop_assert_eq!(endian(&Concrete, op, Size::H, &a), u64::from((a as u16).swap_bytes()));
                prop_assert_eq!(endian(&Concrete, op, Size::W, &a), u64::from((a as u32).swap_bytes()));
                prop_assert_eq!(endian(&Concrete, op, Size::DW, &a), a.swap_bytes());
            }
            prop_assert_eq!(endian(&Concrete, Endian::ToLe, Size::H, &a), a & 0xffff);
            prop_assert_eq!(endian(&Concrete, Endian::ToLe, Size::W, &a), a & 0xffff_ffff);
            prop_assert_eq!(endian(&Concrete, Endian::ToLe, Size::DW, &a), a);
        }

        #[test]
        fn atomics(old in word(), src in word(), r0 in word(), same in any::<bool>()) {
            let r0 = if same { old } else { r0 };
            let whole = |op| atomic(&Concrete, op, Size::DW, &old, &src, &r0);
            let half = |op| atomic(&Concrete, op, Size::W, &u64::from(old as u32), &src, &r0) as u32;
            for fetch in [false, true] {
                prop_assert_eq!(whole(AtomicOp::Add { fetch }), old.wrapping_add(src));
                prop_assert_eq!(half(AtomicOp::Add { fetch }), (old as u32).wrapping_add(src as u32));
                prop_assert_eq!(whole(AtomicOp::Or { fetch }), old | src);
                prop_assert_eq!(half(AtomicOp::Or { fetch }), (old | src) as u32);
                prop_assert_eq!(whole(AtomicOp::And { fetch }), old & src);
                prop_assert_eq!(half(AtomicOp::And { fetch }), (old & src) as u32);
                prop_assert_eq!(whole(AtomicOp::Xor { fetch }), old ^ src);
                prop_assert_eq!(half(AtomicOp::Xor { fetch }), (old ^ src) as u32);
            }
            prop_assert_eq!(whole(AtomicOp::Exchange), src);
            prop_assert_eq!(whole(AtomicOp::CompareExchange), if old == r0 { src } else { old });
            let expected = if old as u32 == r0 as u32 { src } else { old } as u32;
            prop_assert_eq!(half(AtomicOp::CompareExchange), expected);
        }

        /// Division by zero follows QF_BV in the domain itself, where solver terms must agree.
        #[test]
        fn the_domain_is_total(a in word()) {
            prop_assert_eq!(Concrete.udiv(&a, &0), u64::MAX);
            prop_assert_eq!(Concrete.urem(&a, &0), a);
            prop_assert_eq!(Concrete.sdiv(&a, &0), if (a as i64) < 0 { 1 } else { u64::MAX });
            prop_assert_eq!(Concrete.srem(&a, &0), a);
        }
    }
}
