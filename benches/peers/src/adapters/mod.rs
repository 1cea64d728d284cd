//! Those who are compared with stm-core: a file each.

pub mod arc_swap;
pub mod async_stm;
pub mod batons;
pub mod dashmap;
pub mod fast_stm;
pub mod global_mutex;
pub mod kovan_stm;
pub mod ordered;
pub mod papaya;
pub mod parking_lot;
pub mod rwlock;
pub mod std_mutex;
pub mod stm;
pub mod whole;
