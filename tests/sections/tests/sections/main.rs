// SPDX-License-Identifier: MIT OR Apache-2.0
//! What compilers and linkers make of a declared external function.

mod architectures;
mod c;
mod constructors;
mod features;
mod headers;
mod library;
mod linkcmds;
mod options;
mod prototypes;
mod resolver;
mod rust;
mod split;
