//! `lanpost task add` and `edit`.

use super::{Cx, exit, known, tell};
use crate::app::cli::args::{self, Speaker};
use crate::app::cli::look::refresh;
use crate::engine::node::Node;
use crate::engine::ops::{self, NewTask, TaskEdit};
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::name::Address;
use crate::model::task::Edit;

/// Add a task; whoever it is assigned to gets mail, and is woken
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task add \"Build the release\" --to lab/main --priority high\n  \
    lanpost task add \"Test it\" --for builder --depends 3f2a1c --due 2026-02-14")]
pub struct AddArgs {
    /// What is to be done, in one line
    title: String,
    /// All that is to be said of it, at length
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    body: String,
    /// Assign it: INSTANCE or INSTANCE/AGENT
    #[arg(long, value_name = "NAME")]
    to: Option<Address>,
    /// What kind of worker it is for, any word; `claim --next --role ROLE` finds it
    #[arg(long = "for", value_name = "ROLE")]
    role: Option<String>,
    /// The ids of tasks that must be done before
    #[arg(long, value_name = "ID", num_args = 1..)]
    depends: Vec<String>,
    /// How soon it is wanted: low, normal, high or urgent
    #[arg(long, default_value = "normal", value_parser = args::priority(), hide_possible_values = true)]
    priority: Priority,
    /// When it should be done: 2026-02-14, today, "tomorrow 18:00", 2026-02-14T18:00:00+08:00
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// Assign it to an instance or agent that has not joined the share yet
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn add(args: AddArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let due = args.due.map(|due| args::due(cx, node, due)).transpose()?;
    let new = NewTask {
        agent: args.speaker.resolve(node)?,
        author: args.speaker.author(node),
        title: args.title,
        body: args.body,
        to: args.to,
        role: args.role,
        depends: args.depends,
        priority: args.priority,
        due,
        create: args.create,
    };
    let task = known(cx, node, |node| ops::task_add(node, new.clone()))?;
    refresh(cx, node, "task");
    tell(cx, "added", &task)?;
    Ok(exit::DONE)
}

/// Say otherwise what a task is; an empty text takes something away
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task edit 3f2a1c --priority urgent --due 2026-02-14\n  \
    lanpost task edit 3f2a1c --to \"\"")]
pub struct EditArgs {
    /// Its id: three or more letters of it, from its beginning or its end
    id: String,
    /// The new title
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The new text
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Assign it to somebody else, who gets mail; "" to nobody
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// What kind of worker it is for, any word
    #[arg(long = "for", value_name = "ROLE")]
    role: Option<String>,
    /// How soon it is wanted: low, normal, high or urgent
    #[arg(long, value_parser = args::priority(), hide_possible_values = true)]
    priority: Option<Priority>,
    /// When it should be done, as in 2026-02-14 or "tomorrow 18:00"; "" for no time
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// Assign it to an instance or agent that has not joined the share yet
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn edit(args: EditArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let (agent, author) = (args.speaker.resolve(node)?, args.speaker.author(node));
    let is_said = |due: String| if due.is_empty() { Ok(due) } else { args::due(cx, node, due) };
    let due = args.due.map(is_said).transpose()?;
    let edit = Edit {
        title: args.title,
        body: args.body,
        to: args.to,
        role: args.role,
        priority: args.priority,
        due,
    };
    if edit == Edit::default() {
        return Err(Error::usage("change the task", &args.id, "nothing is said otherwise")
            .next("give --title, --body, --to, --for, --priority or --due"));
    }
    let change = TaskEdit { edit, agent, author, create: args.create };
    let task = known(cx, node, |node| ops::task_edit(node, &args.id, change.clone()))?;
    refresh(cx, node, "task");
    tell(cx, "changed", &task)?;
    Ok(exit::DONE)
}
