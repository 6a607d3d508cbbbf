import { mount } from "svelte";
import App from "./App.svelte";
import { listenForServerTime } from "./api/client";
import { clock } from "./time/clock.svelte";
import "./style/tokens.css";
import "./style/base.css";

listenForServerTime((ms) => clock.learn(ms));
mount(App, { target: document.getElementById("app")! });
