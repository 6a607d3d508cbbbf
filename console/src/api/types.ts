// The wire types, named once. All come from the generated schema.
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type State = Schemas["State"];
export type Status = State["status"];
export type Answer = State["answer"];
export type Cause = Schemas["Cause"];
export type Phase = Schemas["Phase"];
export type Resource = Schemas["Resource"];
export type Component = Schemas["Component"];
export type ComponentState = Component["state"];
export type Workload = Schemas["Workload"];
export type Event = Schemas["Event"];
export type Level = Event["level"];
export type EventsPage = Schemas["History"];
export type CreateRequest = Schemas["CreateDeployment"];
export type Created = Schemas["Created"];
export type Problem = Schemas["Problem"];
export type Session = Schemas["Session"];
export type Version = Schemas["Version"];
